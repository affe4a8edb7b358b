/** Percent of a service's requests per pool, two decimals, summing to 100. Pools without an entry get nothing. */
export type Split = Readonly<Record<string, number>>

/** How servers of a pool are probed. Source: SPEC §3 `health`. */
export interface HealthSpec {
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Consecutive passes that bring a server up. */
  readonly rise: number
  /** Consecutive failures that bring a server down. */
  readonly fall: number
  /** Inclusive ranges of status codes that pass. */
  readonly expect: readonly (readonly [number, number])[]
  /** Host header of the probe; empty = the server's own address. */
  readonly host: string
  /** Port to probe; 0 = the server's own. */
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** Text the response body must contain; empty = any body. */
  readonly body: string
}

/** Ejection of servers by what requests meet there. Source: SPEC §3 `passive`. */
export interface PassiveSpec {
  /** Failures in a row, within `failTimeoutMs`, that eject a server; 0 = off. */
  readonly maxFails: number
  /** How long a failure counts, an ejection lasts, and the trial after it may take. At least 1. */
  readonly failTimeoutMs: number
  /** Percent of a pool's servers that may be ejected at a time. */
  readonly maxEjected: number
}

/** TLS to a server. Source: SPEC §16. */
export interface ServerTls {
  /** The name that is asked for (SNI) and that the certificate must bear; empty = the host of the server's url. */
  readonly serverName: string
  /** Files in PEM; empty = none. `ca`: the authorities that are trusted instead of the usual ones. */
  readonly ca: string
  readonly cert: string
  readonly key: string
  /** Whoever answers is believed, whatever the certificate. */
  readonly insecure: boolean
}

export interface ServerSpec {
  /** Scheme, host and port, without a trailing slash: `http://10.0.0.1:9000`. */
  readonly url: string
  readonly weight: number
  /** Only of https:// servers; absent = their own name, and the usual authorities. */
  readonly tls?: ServerTls
}

export interface PoolSpec {
  readonly version: string
  readonly servers: Readonly<Record<string, ServerSpec>>
}

export type Balance = 'leastRequest' | 'roundRobin'
export type RetryCause = 'connect' | 'reset' | 'timeout' | 'invalid'

/** A service as configured, every default filled in and every unit resolved. Source: SPEC §3 `services`. */
export interface ServiceSpec {
  /** Host names, `*.` allowed as the first label; empty = any host. Lower case. */
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly stripPrefix: boolean
  readonly pools: Readonly<Record<string, PoolSpec>>
  /** The first decision; afterwards the store remembers. */
  readonly split: Split
  readonly balance: Balance
  /** null = off: servers count as up. */
  readonly health: HealthSpec | null
  readonly passive: PassiveSpec
  /** Percent: with a smaller share of a pool's servers up, those that are not get requests as well. 0 = off. */
  readonly panic: number
  readonly retry: {
    /** Tries in all, the first included. */
    readonly attempts: number
    readonly on: readonly RetryCause[]
    /** Answers that are tried again elsewhere. */
    readonly statuses: readonly number[]
    /** Methods that may be sent again after something was sent. Upper case. */
    readonly methods: readonly string[]
    /** Retries of what was sent, per request; 0 to 1. */
    readonly budget: number
    /** Bodies up to this are kept for a retry. */
    readonly bodyBytes: number
  }
  readonly timeouts: {
    readonly connectMs: number
    readonly responseMs: number
    readonly idleMs: number
    /** How long a request waits for a server whose limit is reached; 0 = not at all. */
    readonly queueMs: number
  }
  readonly connections: {
    /** Requests and tunnels under way at one server; 0 = unbounded. */
    readonly perServer: number
    readonly keepAliveMs: number
  }
  readonly drain: {
    /** 0 = no deadline. */
    readonly timeoutMs: number
    readonly websockets: 'close' | 'keep'
  }
  readonly minReady: number
}
