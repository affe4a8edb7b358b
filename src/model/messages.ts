import type { ExplainedRequest, Explanation } from './explain.ts'
import type { HookSettings, HooksProblem } from './hooks.ts'
import type { AcmeAnswers, ListenerTls } from './listener-tls.ts'
import type { FuseCount } from './rollout/table-rollout.ts'
import type { Health } from './state.ts'
import type { TableChange } from './table.ts'

/**
 * Messages from control to a proxy. Control and proxies exchange nothing else than these and `ToControl`. All of them
 * are plain data: control and proxy may live in one process or in several.
 */
export type ToProxy =
  /**
   * Changes or replaces the routing table; answered with `applied`. `health`: the known health of its servers, applied
   * together with the table so that no server is unknown in between. `nowMs`: the store's clock when the message is
   * sent; deadlines in the table are times of that clock.
   */
  | { readonly type: 'table'; readonly change: TableChange; readonly health: KnownHealth; readonly nowMs: number }
  /** Hooks to put in force; answered only with `hooksFailed`. Precedes the table with which they are in force. */
  | { readonly type: 'hooks'; readonly hooks: HookSettings }
  /**
   * TLS of listeners, for the connections that they accept from now on; those that are not named keep what they have. It
   * precedes the first table.
   */
  | { readonly type: 'tls'; readonly listeners: readonly ListenerTls[] }
  /** All answers to challenges of ACME servers, instead of those before. They precede the table of the state that has them. */
  | { readonly type: 'acmeAnswers'; readonly answers: AcmeAnswers }
  /** Keys for the tickets of TLS sessions, 48 bytes in base64. Secret. */
  | { readonly type: 'ticketKeys'; readonly key: string }
  /** Health of the targets where it has changed. */
  | { readonly type: 'health'; readonly changes: KnownHealth }
  /** Asks how a request would be decided; answered with `explained` under the same id. `service`: null = whichever matches. */
  | {
      readonly type: 'explain'
      readonly id: number
      readonly request: ExplainedRequest
      readonly service: string | null
    }
  /** Asks for a report; answered with `report` under the same id. */
  | { readonly type: 'report'; readonly id: number }
  /**
   * Stops the proxy; answered with `stopped`. The proxy accepts new connections for `acceptForMs`, then lets requests
   * in flight finish within `timeoutMs` (null = without a limit). If sent again, the stricter of the two applies.
   * `tunnels`: close them at once, or when that time is over.
   */
  | {
      readonly type: 'stop'
      readonly acceptForMs: number
      readonly timeoutMs: number | null
      readonly tunnels: 'atOnce' | 'atDeadline'
    }

/** Messages from a proxy to control. */
export type ToControl =
  /**
   * The table of this generation is in force; `busy`: requests in flight, by key, at targets that take no new ones by
   * that table. If a fuse has opened one of these, it is in `busy` with 1 at least, and the message is sent again when it does.
   */
  | { readonly type: 'applied'; readonly generation: number; readonly busy: Readonly<Record<string, number>> }
  /** The hooks of the last `hooks` cannot be used here; those before them stay in force. */
  | { readonly type: 'hooksFailed'; readonly problem: HooksProblem }
  /** The last request or tunnel at a target that takes no new ones has ended; `cut`: number cut at their deadline. */
  | { readonly type: 'idle'; readonly key: string; readonly cut: number }
  /**
   * Outcomes of requests since the previous message: targets that have served one, which resets their consecutive
   * failures, and failures since then. Trials are not included.
   */
  | { readonly type: 'failures'; readonly recovered: readonly string[]; readonly counts: readonly FailureCount[] }
  /** Outcome of the one request that `trial` has let through. */
  | { readonly type: 'trial'; readonly key: string; readonly outcome: TrialOutcome }
  /**
   * The fuse of a rollout has tripped here: the canary gets nothing from this proxy any more. Sent once, and again after
   * each whole table with this rollout, since it comes from a control process that may not know.
   */
  | ({ readonly type: 'fuse' } & FuseTrip)
  /** `id` 0: sent without being asked for, so that control knows the counts of a process that dies. */
  | { readonly type: 'report'; readonly id: number; readonly report: Report }
  | { readonly type: 'vitals'; readonly vitals: Vitals }
  /** The answer to `explain`. */
  | { readonly type: 'explained'; readonly id: number; readonly explanation: Explanation }
  /** The proxy has stopped; `cut` requests and tunnels were still in flight, and were cut. */
  | { readonly type: 'stopped'; readonly cut: number }

/**
 * Health by target key. `trial`: ejected, except for one request that finds out whether the server works again.
 * `takesForMs`: for how long a server has taken requests; absent = it is not in slow start.
 */
export type KnownHealth = readonly (readonly [key: string, health: Health | 'trial', takesForMs?: number])[]

/**
 * Failures at one target: their number, and whether the last one was a connection failure rather than a bad response.
 */
export type FailureCount = readonly [key: string, count: number, unreachable: boolean]

export type TrialOutcome = 'ok' | 'failed' | 'unreachable'

/** Why a fuse has tripped. */
export interface FuseTrip {
  readonly service: string
  /** Id of the rollout. */
  readonly rollout: string
  readonly canary: FuseCount
  readonly stable: FuseCount
}

/** Resource usage of a process; see GET /api/instances. */
export interface Vitals {
  readonly pid: number
  /** CPU time since the previous measurement, in percent of one core. */
  readonly cpuPercent: number
  readonly memoryBytes: number
  /** Delay of timers, ms: 99th percentile since the previous measurement. */
  readonly eventLoopDelayMs: number
}

/** Counts since the start of this proxy, for one service, pool and version. */
export interface SeriesReport {
  readonly service: string
  readonly pool: string
  readonly version: string
  /** Responses by status code. */
  readonly codes: Readonly<Record<string, number>>
  /** Times from the header of a request to the end of its response. */
  readonly durations: HistogramReport
  /** Times that tries at servers took, from the choice of the server to the end of its response. */
  readonly upstream: HistogramReport
}

/** Versions that the servers of a pool have reported of themselves. */
export interface VersionsReport {
  readonly service: string
  readonly pool: string
  /** The version of the pool by its definition. */
  readonly version: string
  readonly seen: readonly string[]
}

export interface HistogramReport {
  /** Number per bucket of `REQUEST_BUCKETS_SECONDS`, not cumulative, the last one unbounded. */
  readonly buckets: readonly number[]
  readonly sumSeconds: number
}

/** Counts, over a short time, of the requests that one routing decision has sent to one server. */
export interface TickRow {
  readonly service: string
  readonly pool: string
  readonly version: string
  /** Revision of the routing decision; 0 = none. */
  readonly decision: number
  /** Empty = the requests that got no server. */
  readonly server: string
  /**
   * In the order of `Figure`: requests that have ended; of these, those with an error (5xx, or a response that broke
   * off) and those whose client has left; tries at the server, and those that failed (5xx, or the server's fault);
   * requests sent again after such a try; copies of requests sent to it.
   */
  readonly counts: readonly number[]
  /** Durations of the requests: pairs of a bucket of `DURATION_BOUNDS_MS` and a count. */
  readonly durations: readonly number[]
}

/** Events of a service that are counted by a label; each kind is a metric. */
export type TallyKind =
  /** Retries, by the reason for which the previous try failed. */
  | 'retries'
  /** Requests of a split by client, by whether they had a key: `given`, `absent`, or `issued` with the response. */
  | 'cohorts'
  /** Requests that a route has sent to its pool, by route. */
  | 'routed'
  /** Requests of services with `sticky`: whether the client had the cookie of the server (`kept`), another one, or none. */
  | 'sticky'
  /** Errors of hooks, by hook. */
  | 'hookErrors'
  /** Requests passed on to another server because that of their hash had too many; without a label. */
  | 'spilled'
  /** Copies of requests that were answered, by status code. */
  | 'mirrored'
  /** Copies that got no whole answer, by the reason. */
  | 'mirrorFailures'
  /** Copies that were not sent, by the reason. */
  | 'mirrorDropped'
  /** Copies answered with another status class than the client's request; without a label. */
  | 'mirrorDifferences'
  /** Calls of gRPC that have ended, by status. */
  | 'grpc'
  /** Connections of HTTP/2 that were closed because of what the client did, by the reason; without a service. */
  | 'http2Closed'

/** The number of such events since the start of this proxy. */
export interface TallyReport {
  readonly kind: TallyKind
  readonly service: string
  readonly label: string
  readonly count: number
}

/** Handshakes of TLS that have ended since the start of a proxy. */
export interface HandshakeReport {
  readonly listener: string
  /** How they have ended. */
  readonly outcome: string
  readonly count: number
}

/** Requests at this moment. */
export interface RequestLoad {
  /** Requests and tunnels in flight by target key; targets without any are left out. */
  readonly inFlight: Readonly<Record<string, number>>
  /** Requests queued for a server by pool (`service/pool`); pools without any are left out. */
  readonly queued: Readonly<Record<string, number>>
  /** Requests held by service, while it is paused; services without any are left out. */
  readonly held: Readonly<Record<string, number>>
}

/** Requests and connections of a proxy at this moment. */
export interface LoadReport extends RequestLoad {
  /** Open client connections. */
  readonly connections: number
  /** The same by listener (`127.0.0.1:8080`); those without any are there as well. */
  readonly listeners: Readonly<Record<string, number>>
}

export interface Report extends LoadReport {
  /** true: `series` and `tallies` are complete; false: they are those that have changed since the previous report. */
  readonly whole: boolean
  readonly series: readonly SeriesReport[]
  readonly tallies: readonly TallyReport[]
  /**
   * Series (`service/pool/version`) that have ended: their last counts are final, and a later series of that name
   * begins at 0.
   */
  readonly ended: readonly string[]
  /** Counts since the previous report. */
  readonly rows: readonly TickRow[]
  /** Since the previous report; only of services with `versionHeader`. */
  readonly versions: readonly VersionsReport[]
  /** Lines of the access log dropped since the start of this proxy. */
  readonly accessLogDropped: number
  /** Since the start of this proxy. */
  readonly handshakes: readonly HandshakeReport[]
  /** Spans dropped since the start of this proxy. */
  readonly traceSpansDropped: number
}

/** Counts and load of all proxies together. */
export interface Totals extends LoadReport {
  readonly series: readonly SeriesReport[]
  readonly tallies: readonly TallyReport[]
}
