import type { ProcessView } from '../model/fleet.ts'
import type { ControlHalf } from './control-half.ts'

/** Who an instance is; it stays so while its supervisor lives. */
export interface Identity {
  readonly id: string
  readonly name: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** The proxy halves of an instance: in this process, or in workers. */
export interface Proxies {
  /** Brings them to the control half; resolves when connections can be taken, or are being taken elsewhere. */
  start(control: ControlHalf, revision: number): Promise<void>
  close(): void
  processes(control: ControlHalf): readonly ProcessView[]
  /** Requests and tunnels under way by target key, as last said. */
  inFlight(control: ControlHalf): Readonly<Record<string, number>>
  /** What is wrong with the processes, for people; null = nothing. */
  readonly trouble: string | null
  /** Workers that have ended unexpectedly so far. */
  readonly restarts: number
  /** Replaces every worker, refusing no connection; resolves with what went wrong, or null. Absent = there are none. */
  replace?(): Promise<string | null>
}

/** Counts of several proxy halves, added up. */
export function addUp(
  all: readonly (Readonly<Record<string, number>> | undefined)[],
): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const counts of all)
    for (const [key, count] of Object.entries(counts ?? {})) sums[key] = (sums[key] ?? 0) + count
  return sums
}

/** Sums of what is under way at all servers. */
export function sum(counts: Readonly<Record<string, number>> | undefined): number {
  return Object.values(counts ?? {}).reduce((total, count) => total + count, 0)
}
