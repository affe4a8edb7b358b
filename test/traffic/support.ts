import type { ServerResponse } from 'node:http'
import { expect } from 'vitest'
import type { CutoverOptions } from '../support/cutover.ts'
import { Cutover } from '../support/cutover.ts'
import { atEnd, atEndOfFile } from '../support/endings.ts'
import { Load } from '../support/load.ts'
import type { LoadFigures } from '../support/load-counts.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { Handler, Upstream, UpstreamOptions } from '../support/upstream.ts'
import { startUpstream } from '../support/upstream.ts'

/** The instance that the tests of a file share. */
let shared: Promise<Cutover> | undefined

function sharedCutover(): Promise<Cutover> {
  if (shared !== undefined) return shared
  const starting = Cutover.start({ services: {} })
  shared = starting
  atEndOfFile(async () => {
    shared = undefined
    await (await starting).stop('SIGKILL')
  })
  return starting
}

export async function start(options: CutoverOptions): Promise<Cutover> {
  const cutover = await Cutover.start(options)
  atEnd(() => cutover.stop('SIGKILL'))
  return cutover
}

export async function upstream(name: string, handler?: Handler, options: UpstreamOptions = {}): Promise<Upstream> {
  const server = await startUpstream(handler, { ...options, name })
  atEnd(() => server.close())
  return server
}

/** Probes often enough for a test to wait for. */
export const HEALTH = { interval: '20ms' }

/** A pool of these servers, as the configuration has it. */
export function pool(...servers: readonly Upstream[]): { servers: Record<string, string> } {
  return { servers: Object.fromEntries(servers.map(({ name, url }) => [name, url])) }
}

export interface BlueGreen {
  readonly cutover: Cutover
  readonly blue: Upstream
  readonly green: Upstream
}

/** Defines a service for this test, in an instance that the tests of a file share; all of its servers are up. */
export async function define(name: string, service: object): Promise<Cutover> {
  const cutover = await sharedCutover()
  const { status, body } = await cutover.api('PUT', `/api/services/${name}`, { health: HEALTH, ...service })
  expect([status, body.changed, body.detail]).toEqual([200, true, undefined])
  atEnd(() => cutover.api('DELETE', `/api/services/${name}?force`))
  await until(async () => {
    const { pools } = (await cutover.api('GET', `/api/services/${name}`)).body
    return pools.every((each: { up: number; servers: unknown[] }) => each.up === each.servers.length)
  })
  return cutover
}

/** A service `shop` with a server in each of two pools, all traffic on blue. */
export async function blueGreen(blueHandler?: Handler, service: object = {}): Promise<BlueGreen> {
  const blue = await upstream('blue1', blueHandler)
  const green = await upstream('green1')
  const pools = { blue: pool(blue), green: pool(green) }
  return { cutover: await define('shop', { pools, split: { blue: 100 }, ...service }), blue, green }
}

/** A handler that leaves requests unanswered until the test says so. */
export function holding(): { handler: Handler; held: ServerResponse[]; release: () => void } {
  const held: ServerResponse[] = []
  const release = () => {
    for (const response of held.splice(0)) response.end(String(response.getHeader('x-upstream')))
  }
  return { handler: (_request, response) => held.push(response), held, release }
}

/** A server as the API shows it. */
export async function serverView(cutover: Cutover, name: string) {
  const { body } = await cutover.api('GET', `/api/servers/${name}`)
  return body.servers[0]
}

export async function health(cutover: Cutover, name: string, expected: 'up' | 'down' | 'unknown'): Promise<void> {
  await until(async () => (await serverView(cutover, name)).health === expected)
}

/** A pool of the service `shop` as the API shows it. */
export async function poolView(cutover: Cutover, name: string) {
  const { body } = await cutover.api('GET', '/api/services/shop')
  return body.pools.find((each: { name: string }) => each.name === name)
}

/** Sends a request; which server has answered, and whatever else there is to know. */
export function ask(cutover: Cutover, path = '/', init: RequestInit = {}) {
  const answer = askAnyway(cutover, path, init)
  // If a test has failed, no code awaits its earlier requests.
  answer.catch(() => undefined)
  return answer
}

async function askAnyway(cutover: Cutover, path: string, init: RequestInit) {
  const startedAt = performance.now()
  const response = await fetch(`${cutover.proxy}${path}`, init)
  const body = await response.text()
  const ms = performance.now() - startedAt
  return { status: response.status, headers: response.headers, body, ms }
}

/** Sends so many requests over several connections, none of which may fail; how many went to which server. */
export async function spread(
  cutover: Cutover,
  names: readonly string[],
  requests: number,
): Promise<Readonly<Record<string, number>>> {
  const load = new Load({ url: `${cutover.proxy}/`, clients: 8, names, requests })
  const figures = await load.done
  expectNoneFailed(figures)
  expect(figures.completed).toBe(requests)
  return figures.answers
}

export function expectNoneFailed(figures: LoadFigures): void {
  expect(figures.failures).toEqual({})
  expect(figures.sent).toBe(figures.completed)
  expect(figures.completed).toBeGreaterThan(0)
}

/**
 * Most within `ms`, and none much later: on a busy machine one or another is late, whereas anything that waits for
 * something else makes all of them late.
 */
export function expectFast(times: readonly number[], ms: number): void {
  const sorted = times.toSorted((a, b) => a - b)
  expect(sorted.length).toBeGreaterThanOrEqual(10)
  expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(ms)
  expect(sorted.at(-1)).toBeLessThan(2_000)
}

/** A connection to the proxy, byte for byte. */
export async function raw(cutover: Cutover): Promise<RawConnection> {
  const connection = await RawConnection.connect(cutover.proxy)
  atEnd(() => connection.destroy())
  return connection
}

/** The current state of a promise. */
export function watched<T>(promise: Promise<T>): { readonly promise: Promise<T>; settled: boolean } {
  const state = { promise, settled: false }
  promise.then(
    () => {
      state.settled = true
    },
    () => {
      state.settled = true
    },
  )
  return state
}
