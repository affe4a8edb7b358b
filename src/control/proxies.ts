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
  /** What is wrong with the processes, for people; null = nothing. */
  readonly trouble: string | null
  /** Workers that have ended unexpectedly so far. */
  readonly restarts: number
  /** Replaces every worker, refusing no connection; resolves with what went wrong, or null. Absent = there are none. */
  replace?(): Promise<string | null>
}

/** Sums of what is under way at all servers. */
export function sum(counts: Readonly<Record<string, number>> | undefined): number {
  return Object.values(counts ?? {}).reduce((total, count) => total + count, 0)
}
