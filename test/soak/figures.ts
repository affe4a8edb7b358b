import type { Cause } from '../support/failed.ts'
import type { Latency } from '../support/latencies.ts'

/** The services under load: nothing happens to the servers of `steady`; one of those of `rough` is always in trouble. */
export const SERVICES = ['steady', 'rough'] as const
export type Service = (typeof SERVICES)[number]

export const KINDS = [
  'get',
  'post',
  'download',
  'upload',
  'slow reader',
  'aborted',
  'websocket',
  'sse',
  'pipelined',
  'no keep-alive',
] as const
export type Kind = (typeof KINDS)[number]

/** One request that failed. Times are of `performance.now()`. */
export interface Failure {
  readonly service: Service
  readonly kind: Kind
  readonly id: string
  readonly cause: Cause
  readonly detail: string
  /** The request whose trouble this one shares: itself, but for those in line behind another one. */
  readonly because: string
  readonly startedAt: number
  readonly endedAt: number
}

export interface Counts {
  ok: number
  /** By cause. */
  readonly failed: Record<string, number>
}

export type CountsByKind = Readonly<Record<Kind, Counts>>

/** What the process takes at one moment, with no request under way. */
export interface Vitals {
  readonly rssBytes: number
  readonly heapBytes: number
  readonly fileDescriptors: number
  readonly clientConnections: number
  readonly inFlight: number
}

export interface Sample extends Vitals {
  /** Since the load began. */
  readonly seconds: number
}

/** All that a run has come to. */
export interface Result {
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly counts: Readonly<Record<Service, CountsByKind>>
  /** Of the small GETs. */
  readonly latency: Readonly<Record<Service, Latency>>
  /** What was done to `steady` through the admin API, how often. */
  readonly operations: Readonly<Record<string, number>>
  /** What the admin API answered that it should not have. */
  readonly refusedOperations: readonly string[]
  /** What was done to servers of `rough`, how often. */
  readonly episodes: Readonly<Record<string, number>>
  /** Requests that a server of `rough` answered badly on purpose. */
  readonly disturbed: number
  /** How the failures of `rough` are explained. */
  readonly explained: Readonly<Record<string, number>>
  /** Failures that nothing explains; of `steady`, every one. At most a few of each service are kept. */
  readonly unexplained: readonly Failure[]
  readonly unexplainedCount: Readonly<Record<Service, number>>
  /** POSTs that a server had and broke off, and that were answered well all the same. */
  readonly sentTwice: readonly string[]
  readonly start: Vitals
  readonly end: Vitals
  readonly samples: readonly Sample[]
  /** Errors that Cutover logged. */
  readonly loggedErrors: readonly string[]
  /** What else it printed on standard error: warnings of Node, mostly. Told, and not judged. */
  readonly printed: readonly string[]
  /** How the Cutover process ended, if it did before it was told to. */
  readonly ended: string | null
}
