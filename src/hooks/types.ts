/**
 * Programs in the request path: the default export of the file in `proxy.hooks`. Every hook may be left out. A hook that
 * throws, or returns what it may not, fails its request with 500 (`proxy.hookErrors: fail`) or is passed over (`ignore`).
 *
 * ```ts
 * import type { Hooks } from 'cutover'
 *
 * export default {
 *   choosePool(r) {
 *     return r.header('x-beta') === '1' ? 'green' : undefined
 *   },
 * } satisfies Hooks
 * ```
 */
export interface Hooks {
  /**
   * Called once for each request that has a service, before its pool is chosen. Return an answer to send instead of
   * forwarding the request, or nothing. May return a promise, which has `proxy.hookTimeout` (1s); the body is not read
   * meanwhile.
   */
  request?(r: HookRequest): HookAnswer | undefined | Promise<HookAnswer | undefined>
  /**
   * Returns the name of the pool for a request, or undefined for what the routes and the split say. Called once for each
   * request, and again only if that pool is gone before a retry. While the pool has no server up, routes and split decide.
   * `pools`: those that get requests, because they have a share or a route to them; no other may be chosen.
   */
  choosePool?(r: HookRequest, pools: readonly HookPool[]): string | undefined
  /** Changes the header for the server, after `headers.request`. Called for every try. */
  upstreamRequest?(r: HookRequest, h: HookHeader): void
  /** Changes status and header for the client, after `headers.response`; those of Cutover's own answers as well. */
  response?(r: HookRequest, h: HookResponse): void
  /**
   * Adds to the fields that the access log has under `tags`, and the span of the request as attributes; begins with those of
   * `r.tag`. Called when a request has ended.
   */
  log?(r: HookRequest, fields: Record<string, HookTag>): void
}

/** A request, as its client has sent it. */
export interface HookRequest {
  readonly method: string
  /** Host name, in lower case and without the port. */
  readonly host: string
  /** Path without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** Address of the client, behind `proxy.trustedProxies` the one that they name; `unix` for a peer at a socket file. */
  readonly client: string
  /** Name of the service. */
  readonly service: string
  /** The id in `X-Request-Id` and the access log. */
  readonly requestId: string
  /** Name and version of the pool, and name of the server, of the last try; empty before the first one. */
  readonly pool: string
  readonly version: string
  readonly server: string
  /** Value of a header field; several are joined by `, `. */
  header(name: string): string | undefined
  /** Value of a cookie, the first one of that name. */
  cookie(name: string): string | undefined
  /**
   * Sends another path and query to the server. They go there as they are, without `stripPrefix`. Only in `request`.
   * Throws if it does not begin with a slash, or has spaces, control characters or characters beyond U+00FF.
   */
  setPath(path: string): void
  /**
   * Replaces a header field for the server, or adds it. Only in `request`. Throws for fields of the connection and the
   * framing, and for values with line ends.
   */
  setHeader(name: string, value: string): void
  /** Adds a field to `tags` in the access log, and an attribute to the span of the request. */
  tag(name: string, value?: HookTag): void
}

/** A value of a field in the access log. */
export type HookTag = string | number | boolean

/** The answer of a `request` hook. */
export interface HookAnswer {
  /** 200 to 599. */
  readonly status: number
  /** Content-Length is set here, and Content-Type (`text/plain; charset=utf-8`) for text if it is missing. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: string | Uint8Array
}

/** A pool that may be chosen. */
export interface HookPool {
  readonly name: string
  readonly version: string
  /** In percent. */
  readonly share: number
  /** Number of servers that are up. */
  readonly up: number
}

/**
 * The header of a message. Names are matched in any case. Changes throw for fields of the connection and the framing
 * (`Content-Length`, `Connection`, …), for `Via` and `Expect` of requests, and for values with line ends.
 */
export interface HookHeader {
  /** Value of a field; several are joined by `, `. */
  get(name: string): string | undefined
  /** The values of all fields of this name, such as `Set-Cookie`. */
  getAll(name: string): string[]
  /** Replaces the fields of this name, or adds one. */
  set(name: string, value: string): void
  /** Adds a field beside those of this name. */
  add(name: string, value: string): void
  remove(name: string): void
}

/** Status and header of a response. */
export interface HookResponse extends HookHeader {
  /** 200 to 599. Cannot become 204 or 304, which have no body, nor be changed from these or from 101. */
  status: number
}
