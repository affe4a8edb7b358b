import type { HeaderPolicy } from './header-policy.ts'
import type { ValueTest } from './value-test.ts'

/** The cookie by which `splitBy: cookie` knows a client. */
export const ID_COOKIE = 'cutover_id'

/** A property of a request by whose hash it is decided; `name` of a header field: lower case. */
export type KeySource = { readonly from: 'ip' | 'path' } | { readonly from: 'header' | 'cookie'; readonly name: string }

/**
 * What keeps a client in one pool while the split moves: nothing (`request`), a cookie that Cutover issues
 * (`issuedCookie`), or a property of its requests.
 */
export type SplitBy = 'request' | 'issuedCookie' | KeySource

/** Conditions on a request; all must hold. Absent = any. */
export type RequestMatch = {
  /** Upper case. */
  readonly methods?: readonly string[]
  /** Path without the query; a prefix matches on `/` boundaries. */
  readonly path?: ValueTest
  /** By lower-case name. */
  readonly headers?: Readonly<Record<string, ValueTest>>
  readonly cookies?: Readonly<Record<string, ValueTest>>
  readonly query?: Readonly<Record<string, ValueTest>>
  /** Addresses and networks of clients. */
  readonly ips?: readonly string[]
  /** Must not hold as a whole. */
  readonly not?: RequestMatch
}

/** Sends matching requests to one pool, before the split. */
export type RouteRule = {
  readonly name: string
  readonly match: RequestMatch
  readonly to: string
  /** What becomes of its requests while the pool has no server up: the split decides, or they fail with 503. */
  readonly onUnavailable: 'split' | 'fail'
  /** Id of the rollout that it belongs to; absent = it is part of the service's definition. */
  readonly rollout?: string
}

/** Sends copies of requests to a pool, whose answers are discarded. */
export type MirrorRule = {
  readonly to: string
  /** Share of the requests that are copied, in hundredths of a percent, 0 to 10,000. */
  readonly share: number
  /** Methods of the requests that are copied, upper case. */
  readonly methods: readonly string[]
  /** Requests with larger bodies are not copied. */
  readonly bodyBytes: number
  /** Max copies at a time in each worker. */
  readonly inFlight: number
  /** Id of the rollout that it belongs to; absent = it is part of the service's definition. */
  readonly rollout?: string
}

/** Keeps a client on one server. Source: SPEC §10 `sticky`. */
export interface StickySpec {
  /** Name of the cookie. */
  readonly cookie: string
  /** How long a client keeps the cookie, ms. */
  readonly ttlMs: number
}

/** Policies that decide which pool and server a request gets, and what is done with it. Source: SPEC §10. */
export interface TrafficPolicies {
  readonly splitBy: SplitBy
  readonly routes: readonly RouteRule[]
  /** null = off. */
  readonly sticky: StickySpec | null
  /** Time over which the weight of a server that begins to take requests grows from 10 %; 0 = it has all of it at once. */
  readonly slowStartMs: number
  /** null = unchanged. */
  readonly headers: HeaderPolicy | null
  /** null = no copies. */
  readonly mirror: MirrorRule | null
}

/** Policies of a service that sets none. */
export const NO_POLICIES: TrafficPolicies = {
  splitBy: 'request',
  routes: [],
  sticky: null,
  slowStartMs: 0,
  headers: null,
  mirror: null,
}
