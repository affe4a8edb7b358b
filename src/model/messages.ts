import type { Health } from './state.ts'
import type { TableChange } from './table.ts'

/**
 * What the control half and the proxy half say to each other; nothing else passes between them. Plain data, so that
 * it does not matter whether they live in one process or in several.
 */
export type ToProxy =
  /**
   * Changes the routing table, or replaces it; answered with `applied`. `health`: what is known of the servers in it, in
   * force with it, so that none of them is unknown in between. `nowMs`: the store's clock as this is sent; deadlines in the
   * table are times of that clock.
   */
  | { readonly type: 'table'; readonly change: TableChange; readonly health: KnownHealth; readonly nowMs: number }
  /** Targets whose health has changed. */
  | { readonly type: 'health'; readonly changes: KnownHealth }
  /** Answered with `report` under the same id. */
  | { readonly type: 'report'; readonly id: number }
  /**
   * Stop: answered with `stopped`. `acceptForMs` more of new connections, then `timeoutMs` for what is under way; null = as
   * long as it takes. Said again, the stricter one counts.
   * `tunnels`: hang up at once, or when that time is over.
   */
  | {
      readonly type: 'stop'
      readonly acceptForMs: number
      readonly timeoutMs: number | null
      readonly tunnels: 'atOnce' | 'atDeadline'
    }

export type ToControl =
  /** The table of this generation is in force; `busy`: requests under way at targets that take no new ones. */
  | { readonly type: 'applied'; readonly generation: number; readonly busy: Readonly<Record<string, number>> }
  /** The last request or tunnel at a target that takes no new ones has ended; `cut` of them at its deadline. */
  | { readonly type: 'idle'; readonly key: string; readonly cut: number }
  /**
   * What requests met since it was last said: targets that have served one, which ends the failures in a row there, and
   * failures since then. Trials are not among them.
   */
  | { readonly type: 'failures'; readonly recovered: readonly string[]; readonly counts: readonly FailureCount[] }
  /** What the one request met that `trial` had let through. */
  | { readonly type: 'trial'; readonly key: string; readonly outcome: TrialOutcome }
  /** `id` 0: unasked, so that what a process has counted is known when it dies. */
  | { readonly type: 'report'; readonly id: number; readonly report: Report }
  | { readonly type: 'vitals'; readonly vitals: Vitals }
  /** The proxy has ended; `cut` requests and tunnels were still under way. */
  | { readonly type: 'stopped'; readonly cut: number }

/** Health by target key. `trial`: ejected, but for the next request. */
export type KnownHealth = readonly (readonly [key: string, health: Health | 'trial'])[]

/** Failures at one target: how many, and whether the last of them was one of the connection and not an answer. */
export type FailureCount = readonly [key: string, count: number, unreachable: boolean]

export type TrialOutcome = 'ok' | 'failed' | 'unreachable'

/** What a process costs; see GET /api/instances. */
export interface Vitals {
  readonly pid: number
  /** Of one core, since the last time it was looked at. */
  readonly cpuPercent: number
  readonly memoryBytes: number
  /** By how much timers are late, 99th percentile since the last look. */
  readonly eventLoopDelayMs: number
}

/** Counts since the start of this proxy half, for one service, pool and version. */
export interface SeriesReport {
  readonly service: string
  readonly pool: string
  readonly version: string
  /** Answers by status code. */
  readonly codes: Readonly<Record<string, number>>
  /** Requests per bucket of `REQUEST_BUCKETS_SECONDS`, not cumulative, the last one unbounded. */
  readonly buckets: readonly number[]
  readonly sumSeconds: number
}

/** Repeated tries of a service, by cause. */
export interface RetryCount {
  readonly service: string
  readonly reason: string
  readonly count: number
}

/** What is under way at this moment. */
export interface UnderWayReport {
  /** Requests and tunnels under way by target key; targets without any are left out. */
  readonly inFlight: Readonly<Record<string, number>>
  /** Requests waiting for a server by service; services without any are left out. */
  readonly queued: Readonly<Record<string, number>>
  /** Open client connections. */
  readonly connections: number
}

export interface Report extends UnderWayReport {
  /** `series` and `retries` are all there are; otherwise those that have changed since the last report. */
  readonly whole: boolean
  readonly series: readonly SeriesReport[]
  readonly retries: readonly RetryCount[]
  /** Series (`service/pool/version`) that have ended: what was reported of them is final, and one that comes later begins at 0. */
  readonly ended: readonly string[]
  /** Lines of the access log that were dropped since the start of this proxy half. */
  readonly accessLogDropped: number
}

/** What all proxy halves have counted, and have under way. */
export interface Totals extends UnderWayReport {
  readonly series: readonly SeriesReport[]
  readonly retries: readonly RetryCount[]
}
