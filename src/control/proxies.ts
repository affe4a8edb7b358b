import type { ProcessView } from '../model/fleet.ts'
import type { RequestLoad } from '../model/messages.ts'
import { own } from '../model/names.ts'
import type { Control } from './control.ts'

/** Identity of an instance; constant for the life of its supervisor. */
export interface Identity {
  readonly id: string
  readonly name: string
  /** ISO 8601. */
  readonly startedAt: string
}

/** A worker that has ended unexpectedly. */
export interface WorkerDeath {
  readonly worker: string
  /** How it has ended, for people. */
  readonly how: string
}

/** The proxies of an instance: in this process, or in workers. */
export interface Proxies {
  /**
   * Starts the proxies and attaches them to control; resolves when connections are accepted here or by other processes.
   */
  start(control: Control, revision: number): Promise<void>
  close(): void
  /** Names of the listeners for clients, in the order of the configuration; known once they listen. */
  readonly listeners: readonly string[]
  processes(control: Control): readonly ProcessView[]
  /** Requests and tunnels in flight, queued and held, from the last reports. */
  load(control: Control): RequestLoad
  /** Problem with the processes, for people; null = none. */
  readonly trouble: string | null
  /** Number of workers that have ended unexpectedly so far. */
  readonly restarts: number
  /** Called when a worker has ended unexpectedly; set by the instance. */
  onWorkerDied?: (death: WorkerDeath) => void
  /**
   * Replaces every worker, refusing no connection; resolves with the failure, or null. Absent = there are no workers.
   */
  replace?(): Promise<string | null>
}

/** Adds up the counts of several proxies. */
export function addUp(
  all: readonly (Readonly<Record<string, number>> | undefined)[],
): Readonly<Record<string, number>> {
  const sums: Record<string, number> = {}
  for (const counts of all)
    for (const [key, count] of Object.entries(counts ?? {})) sums[key] = (own(sums, key) ?? 0) + count
  return sums
}

/** Sum of all counts. */
export function sum(counts: Readonly<Record<string, number>> | undefined): number {
  return Object.values(counts ?? {}).reduce((total, count) => total + count, 0)
}
