import { type Operations, QUERIES } from './operations.ts'

export type Route = keyof Operations

/** Options of every call, beside those of its operation. */
export interface CallOptions {
  /** Cancels the call; what was sent may have been done. */
  readonly signal?: AbortSignal | undefined
}

/** An operation as a method: the names in its path, the definition if it takes one, and options. */
export type Verb<R extends Route> = (
  ...args: [
    ...names: Operations[R]['names'],
    ...(Operations[R] extends { readonly body: infer Body } ? [definition: Body] : []),
    options?: Operations[R]['options'] & CallOptions,
  ]
) => Promise<Operations[R]['answer']>

/** A call, ready to be sent to any of the urls. */
export interface ApiRequest {
  readonly method: string
  /** Path and query. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  /** JSON; absent = no body. */
  readonly body?: string
  readonly signal: AbortSignal | undefined
  /** Max time that the API waits before it answers, ms. */
  readonly waitMs: number
  readonly isWrite: boolean
  /** Whether nothing is done twice if it is sent to another instance, too. */
  readonly mayRepeat: boolean
  /** A write that concerns the very instance that is asked. */
  readonly isForOneInstance: boolean
}

/** Writes that are carried out by the instance that is asked, and by no other. */
const FOR_ONE_INSTANCE: ReadonlySet<Route> = new Set<Route>(['POST /api/workers/restart', 'DELETE /api/overrides'])
const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Builds the request of a call. `through`: the instance to which another one passes the call on; null = whichever is
 * asked. `withKey`: gives a POST an Idempotency-Key, with which the API makes a change once, however often and wherever
 * it is sent. Throws TypeError for a name that cannot stand in a path.
 */
export function requestOf(
  route: Route,
  args: readonly unknown[],
  through: string | null,
  withKey: boolean,
): ApiRequest {
  const [method = '', template = ''] = route.split(' ')
  const rest = [...args]
  const plain = template.replaceAll(/\{(\w+)\}/g, (_match, what: string) => segment(rest.shift(), what))
  const path = through === null ? plain : plain.replace('/api/', `/api/instances/${segment(through, 'instance')}/`)
  const takesDefinition = method === 'PUT' || method === 'PATCH'
  const definition = takesDefinition ? rest.shift() : undefined
  const { signal, ifMatch, idempotencyKey, ...options } = (rest[0] ?? {}) as Readonly<Record<string, unknown>> &
    CallOptions
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const isOfQuery = ([name]: [string, unknown]): boolean => QUERIES[route].includes(name)
  // A parameter with several values is repeated.
  const parameters = given
    .filter(isOfQuery)
    .flatMap(([name, value]) => [value].flat().map((each) => [name, String(each)]))
  const query = new URLSearchParams(parameters)
  const members = given.filter((each) => !isOfQuery(each))
  const content = takesDefinition ? definition : members.length > 0 ? Object.fromEntries(members) : undefined
  const isForOneInstance = FOR_ONE_INSTANCE.has(route) || options.scope === 'local'
  const key = method === 'POST' ? (idempotencyKey ?? (withKey ? crypto.randomUUID() : undefined)) : undefined
  return {
    method,
    path: query.size === 0 ? path : `${path}?${query}`,
    headers: {
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
      ...(ifMatch === undefined ? {} : { 'if-match': `"${ifMatch}"` }),
      ...(key === undefined ? {} : { 'idempotency-key': String(key) }),
    },
    ...(content === undefined ? {} : { body: JSON.stringify(content) }),
    signal,
    waitMs: waitOf(route, options),
    isWrite: method !== 'GET',
    mayRepeat: method === 'GET' || (key !== undefined && !isForOneInstance),
    isForOneInstance: isForOneInstance && through === null,
  }
}

/** Max time that the API waits before it answers, ms. A deploy waits twice: for its servers, and for the old pool. */
function waitOf(route: Route, { wait, timeout = '60s' }: Readonly<Record<string, unknown>>): number {
  if (route !== 'POST /api/services/{service}/deploy') return milliseconds(wait)
  return milliseconds(timeout) + (milliseconds(wait) || milliseconds(timeout))
}

/** A name as a segment of a path. */
export function segment(name: unknown, what: string): string {
  if (typeof name === 'string' && !['', '.', '..'].includes(name)) return encodeURIComponent(name)
  throw new TypeError(`${JSON.stringify(name)} cannot be the name of a ${what}`)
}

/** Milliseconds of a duration such as 30s; 0 = none, or one that the API will refuse. */
function milliseconds(duration: unknown): number {
  const [, amount, unit = ''] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(String(duration)) ?? []
  return Number(amount ?? 0) * (UNIT_MS[unit] ?? 0)
}
