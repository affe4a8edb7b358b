import type { Discover } from './discovery.ts'
import type { ServerAddress } from './server-address.ts'
import type { KeySource, TrafficPolicies } from './traffic-policies.ts'
import type { ValueTest } from './value-test.ts'

/** Percent of a service's requests per pool, two decimals, summing to 100. Pools without an entry get no requests. */
export type Split = Readonly<Record<string, number>>

/** How servers are probed: by a TCP connection, a TLS handshake, or a call of the gRPC health service for a service. */
export type ProbeKind = 'tcp' | 'tls' | { readonly grpc: string }

/** Active health checks of the servers of a service. Source: SPEC §3 `health`. */
export interface HealthSpec {
  /** Absent = by an HTTP request. */
  readonly probe?: ProbeKind
  readonly path: string
  readonly intervalMs: number
  readonly timeoutMs: number
  /** Consecutive passed probes after which a server is up. */
  readonly rise: number
  /** Consecutive failed probes after which a server is down. */
  readonly fall: number
  /** Inclusive ranges of status codes that pass. */
  readonly expect: readonly (readonly [number, number])[]
  /** Conditions on header fields of the response, by lower-case name; absent = none. */
  readonly expectHeaders?: Readonly<Record<string, ValueTest>>
  /** Conditions on values in a JSON body, by JSON pointer (RFC 6901): the value, or a test of a text. Absent = none. */
  readonly expectJson?: Readonly<Record<string, string | number | boolean | ValueTest>>
  /** Host header of the probe; empty = the server's own address. */
  readonly host: string
  /** Port to probe; 0 = the server's own. */
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
  /** Text the response body must contain; empty = any body. */
  readonly body: string
  /** As in the service; absent = none. */
  readonly versionHeader?: string
}

/** Ejection of servers at which requests fail. Source: SPEC §3 `passive`. */
export interface PassiveSpec {
  /** Consecutive failures within `failTimeoutMs` that eject a server; 0 = off. */
  readonly maxFails: number
  /** How long a failure counts, an ejection lasts, and the trial after it may take, ms. At least 1. */
  readonly failTimeoutMs: number
  /** Max percent of a pool's servers that may be ejected at the same time. */
  readonly maxEjected: number
}

export interface ServerSpec extends ServerAddress {
  readonly weight: number
  /** Gets requests only while no other server of its pool is up. */
  readonly backup: boolean
  /** DNS says which servers there are; absent = it is one server, whatever addresses its name has. */
  readonly discover?: Discover
}

export interface PoolSpec {
  readonly version: string
  readonly servers: Readonly<Record<string, ServerSpec>>
}

/** `hash`: requests with the same value go to the same server. */
export type Balance = 'leastRequest' | 'roundRobin' | { readonly hash: KeySource }
export type RetryCause = 'connect' | 'reset' | 'timeout' | 'invalid'

/** A service as configured, with every default and unit resolved. Source: SPEC §3 `services`. */
export interface ServiceSpec {
  /** Host names, `*.` allowed as the first label; empty = any host. Lower case. */
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly stripPrefix: boolean
  readonly pools: Readonly<Record<string, PoolSpec>>
  /** The first routing decision; later ones are kept in the store. */
  readonly split: Split
  readonly balance: Balance
  readonly traffic: TrafficPolicies
  /** Response field in which the app reports its version, lower case; empty = none. */
  readonly versionHeader: string
  /** null = no active checks: all servers count as up. */
  readonly health: HealthSpec | null
  readonly passive: PassiveSpec
  /** With less than this percent of a pool's servers up, all of its servers get requests. 0 = off. */
  readonly panic: number
  readonly retry: {
    /** Max attempts, including the first. */
    readonly attempts: number
    readonly on: readonly RetryCause[]
    /** Response status codes that are retried at another server. */
    readonly statuses: readonly number[]
    /** Methods that may be retried after any part of the request was sent. Upper case. */
    readonly methods: readonly string[]
    /** Max ratio of retries to requests, for retries of requests that were sent; 0 to 1. */
    readonly budget: number
    /** Max size of a request body that is buffered for retries, bytes. */
    readonly bodyBytes: number
  }
  readonly timeouts: {
    readonly connectMs: number
    readonly responseMs: number
    readonly idleMs: number
    /** How long a request is queued while all servers are at their connection limit; 0 = not queued. */
    readonly queueMs: number
  }
  /** How long a new definition waits for its servers while the previous one serves its requests; 0 = not at all. */
  readonly handoverMs: number
  readonly connections: {
    /** Max requests and tunnels in flight at one server; 0 = unlimited. */
    readonly perServer: number
    readonly keepAliveMs: number
  }
  readonly drain: {
    /** After this time, requests in flight at a draining server are cut; 0 = never. */
    readonly timeoutMs: number
    readonly websockets: 'close' | 'keep'
  }
  /** Min ready servers of a pool that gets traffic; see `safetyProblem`. */
  readonly minReady: number
}
