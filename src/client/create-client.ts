/** The typed client of the admin API, over fetch; in Node and in browsers. */
import { Caller } from './caller.ts'
import { type EventsOptions, eventsOf, type SeenEvent } from './events.ts'
import { type KeptEvents, keptEventsOf } from './kept-events.ts'
import { type CallOptions, type Route, segment, type Verb } from './request.ts'

export type * from './answers.ts'
export { ApiError, type Attempt, NoAnswerError } from './api-error.ts'
export type * from './definitions.ts'
export type { EventGap, EventsOptions, SeenEvent } from './events.ts'
export type { KeptEvents } from './kept-events.ts'
export type { Operations, WriteOptions } from './operations.ts'
export type { CallOptions, Verb } from './request.ts'

export interface ClientOptions {
  /** Address of the admin API, such as http://127.0.0.1:9900. */
  readonly url?: string | undefined
  /**
   * Addresses of several instances of a fleet. The next one is asked when one does not answer, except for a change that
   * may have been made: a POST carries an Idempotency-Key and is safe to repeat, a PUT, PATCH or DELETE is not repeated.
   */
  readonly urls?: readonly string[]
  /** One of `admin.tokens`. */
  readonly token?: string | undefined
  /**
   * Sends the requests; by default the global fetch. Node's gives up after five minutes without an answer, so a longer
   * `wait` needs another one.
   */
  readonly fetch?: typeof fetch
  /** Max time for an answer beyond `wait`, ms. Default: 10,000. */
  readonly timeoutMs?: number
}

/** The operations at an instance's `/api`. `through`: the instance that they are passed on to; null = whichever is asked. */
function apiOf(caller: Caller, through: string | null) {
  const verb = verbs(caller, through)
  return {
    /** Which service, pool and servers a request would get. */
    explain: verb('GET /api/explain'),
    stats: verb('GET /api/stats'),
    whoami: verb('GET /api/whoami'),
    services: {
      list: verb('GET /api/services'),
      get: verb('GET /api/services/{service}'),
      put: verb('PUT /api/services/{service}'),
      patch: verb('PATCH /api/services/{service}'),
      delete: verb('DELETE /api/services/{service}'),
      definition: verb('GET /api/services/{service}/definition'),
      history: verb('GET /api/services/{service}/history'),
      switch: verb('POST /api/services/{service}/switch'),
      shift: verb('POST /api/services/{service}/shift'),
      rollback: verb('POST /api/services/{service}/rollback'),
      /** Answers once the servers are up and the old pool is idle: each may take `timeout`. */
      deploy: verb('POST /api/services/{service}/deploy'),
      pause: verb('POST /api/services/{service}/pause'),
      resume: verb('POST /api/services/{service}/resume'),
      stop: verb('POST /api/services/{service}/stop'),
      /** Keeps the routing as it is until `unfreeze`. */
      freeze: verb('POST /api/services/{service}/freeze'),
      unfreeze: verb('POST /api/services/{service}/unfreeze'),
      explain: verb('GET /api/services/{service}/explain'),
      /** Its figures step by step. */
      series: verb('GET /api/services/{service}/series'),
    },
    rollouts: {
      /** Newest first. */
      list: verb('GET /api/services/{service}/rollouts'),
      get: verb('GET /api/services/{service}/rollouts/{id}'),
      /** With `dryRun`: what it would be, and what its steps could find. */
      start: verb('POST /api/services/{service}/rollouts'),
      pause: verb('POST /api/services/{service}/rollouts/{id}/pause'),
      resume: verb('POST /api/services/{service}/rollouts/{id}/resume'),
      promote: verb('POST /api/services/{service}/rollouts/{id}/promote'),
      skip: verb('POST /api/services/{service}/rollouts/{id}/skip'),
      back: verb('POST /api/services/{service}/rollouts/{id}/back'),
      setWeight: verb('POST /api/services/{service}/rollouts/{id}/setWeight'),
      abort: verb('POST /api/services/{service}/rollouts/{id}/abort'),
      retry: verb('POST /api/services/{service}/rollouts/{id}/retry'),
      approve: verb('POST /api/services/{service}/rollouts/{id}/gates/{gate}/approve'),
      reject: verb('POST /api/services/{service}/rollouts/{id}/gates/{gate}/reject'),
      /** For people without a token. */
      gateLinks: verb('POST /api/services/{service}/rollouts/{id}/gates/{gate}/links'),
    },
    pools: {
      put: verb('PUT /api/services/{service}/pools/{pool}'),
      delete: verb('DELETE /api/services/{service}/pools/{pool}'),
      previewLink: verb('POST /api/services/{service}/pools/{pool}/preview'),
    },
    servers: {
      list: verb('GET /api/servers'),
      /** Every server of a name, in whichever pools. */
      get: verb('GET /api/servers/{server}'),
      put: verb('PUT /api/services/{service}/pools/{pool}/servers/{server}'),
      patch: verb('PATCH /api/servers/{server}'),
      delete: verb('DELETE /api/services/{service}/pools/{pool}/servers/{server}'),
      drain: verb('POST /api/servers/{server}/drain'),
      disable: verb('POST /api/servers/{server}/disable'),
      enable: verb('POST /api/servers/{server}/enable'),
    },
    instances: {
      list: verb('GET /api/instances'),
      get: verb('GET /api/instances/{id}'),
      /** Strikes off an instance that is gone for good. */
      delete: verb('DELETE /api/instances/{id}'),
    },
    certificates: {
      list: verb('GET /api/certificates'),
      /** Orders certificates by ACME now, whatever failed before. */
      renew: verb('POST /api/certificates/renew'),
    },
    overrides: {
      list: verb('GET /api/overrides'),
      delete: verb('DELETE /api/overrides'),
    },
    config: {
      get: verb('GET /api/config'),
      reload: verb('POST /api/config/reload'),
    },
    workers: {
      restart: verb('POST /api/workers/restart'),
    },
  }
}

function verbs(caller: Caller, through: string | null) {
  return <R extends Route>(route: R): Verb<R> =>
    ((...args: readonly unknown[]) => caller.call(route, args, through)) as Verb<R>
}

/** The operations that an instance can pass on to another one. */
export type Api = ReturnType<typeof apiOf>

/** All operations of the admin API. */
export interface Client extends Api {
  /** The same operations, carried out at the instance of this id or name, wherever they are sent. */
  at(instance: string): Api
  /** Reaches a pool that need not have any traffic; the answer is the app's. `path` begins with a slash. */
  preview(service: string, pool: string, path: string, init?: RequestInit): Promise<Response>
  /**
   * The events of the fleet as they happen. Connects again, at any of the urls, and goes on where it was, until the loop
   * ends or `signal` is aborted. Throws ApiError for a request that is refused.
   */
  events(options?: EventsOptions): AsyncGenerator<SeenEvent, void, undefined>
  /** The newest `last` of the events that are kept, oldest first, and the position to go on from. Throws ApiError and NoAnswerError. */
  keptEvents(last: number, options?: Omit<EventsOptions, 'lastEventId'>): Promise<KeptEvents>
  readonly health: Verb<'GET /health'>
  readonly ready: Verb<'GET /ready'>
  readonly live: Verb<'GET /healthz'>
  /** In the text format of Prometheus. */
  readonly metrics: Verb<'GET /metrics'>
  /** The OpenAPI document of the API. */
  openApi(options?: CallOptions): Promise<Readonly<Record<string, unknown>>>
}

/** Makes a client; nothing is sent yet. Throws TypeError for options that cannot be used. */
export function createClient(options: ClientOptions): Client {
  const { url, urls = url === undefined ? [] : [url], token, fetch = globalThis.fetch, timeoutMs } = options
  // A browser's fetch has to be called as a method of its window.
  const caller = new Caller({ urls, token, fetch: (input, init) => fetch(input, init), timeoutMs })
  const verb = verbs(caller, null)
  return {
    ...apiOf(caller, null),
    at: (instance) => apiOf(caller, instance),
    preview: async (service, pool, path, init = {}) => {
      if (!path.startsWith('/')) throw new TypeError(`the path of a preview begins with a slash, unlike ${path}`)
      return caller.raw(`/preview/${segment(service, 'service')}/${segment(pool, 'pool')}${path}`, init)
    },
    events: (options = {}) => eventsOf(caller, options),
    keptEvents: (last, options = {}) => keptEventsOf(caller, last, options),
    health: verb('GET /health'),
    ready: verb('GET /ready'),
    live: verb('GET /healthz'),
    metrics: verb('GET /metrics'),
    openApi: async ({ signal } = {}) => {
      const response = await caller.stream('/api/openapi.json', signal === undefined ? {} : { signal })
      return (await response.json()) as Readonly<Record<string, unknown>>
    },
  }
}
