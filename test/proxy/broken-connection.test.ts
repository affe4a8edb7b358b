import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { ask, connect, endAll, logged, metric, speaking, startCutover } from './support.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

type Speaking = Awaited<ReturnType<typeof speaking>>

/** Each breaks off in another way once it has read the whole request. */
const WAYS: Readonly<Record<string, (connection: RawConnection) => void>> = {
  resets: ({ socket }) => void socket.resetAndDestroy(),
  closes: ({ socket }) => void socket.destroy(),
  'half-closes': ({ socket }) => void socket.end(),
  'ends within the head': ({ socket }) => void socket.end('HTTP/1.1 200 OK\r\ncontent-le'),
  'resets within the head': ({ socket }) =>
    void socket.write('HTTP/1.1 200 OK\r\ncontent-le', () => socket.resetAndDestroy()),
}

let cutover: Cutover
let alive: Speaking
const breaking: Record<string, Speaking> = {}
/** Answers the first request on a connection only; the second finds it dead. */
let once: Speaking
let dead: Speaking

beforeAll(async () => {
  alive = await speaking(() => OK)
  for (const [way, breakOff] of Object.entries(WAYS)) {
    breaking[way] = await speaking((_request, connection) => {
      breakOff(connection)
      return undefined
    })
  }
  const served = new WeakSet<RawConnection>()
  once = await speaking((_request, connection) => {
    if (served.has(connection)) {
      connection.socket.resetAndDestroy()
      return undefined
    }
    served.add(connection)
    return OK
  })
  dead = await speaking((_request, { socket }) => {
    socket.resetAndDestroy()
    return undefined
  })
  const sketches = Object.entries(breaking).map(
    ([way, server]) => [way.replaceAll(' ', '-'), { servers: [server, alive], passive: { maxFails: 0 } }] as const,
  )
  cutover = await startCutover({
    ...Object.fromEntries(sketches),
    single: { servers: [once] },
    dead: { servers: [dead, dead, dead] },
    dead3: { servers: [dead, dead, dead, dead], retry: { attempts: 3 } },
    posts: { servers: [dead, alive], retry: { methods: ['GET', 'POST'] } },
    connects: { servers: [dead, alive], retry: { on: ['connect'] } },
  })
})

afterAll(endAll)

beforeEach(() => {
  for (const server of [...Object.values(breaking), alive, once, dead]) server.requests.length = 0
})

describe.each(Object.keys(WAYS))('Q2 the server reads the request, then %s', (way) => {
  const host = `host: ${way.replaceAll(' ', '-')}.test`

  // Round robin: each begins at the server that the last one did not begin with, so the order matters.
  test.each(['GET', 'HEAD', 'OPTIONS', 'DELETE'])('%s is asked again elsewhere', async (method) => {
    const responses = [
      await ask(cutover, [`${method} / HTTP/1.1`, host]),
      await ask(cutover, [`${method} / HTTP/1.1`, host]),
    ]
    expect(responses.map(({ status }) => status)).toEqual([200, 200])
    expect(breaking[way]?.requests.length).toBeGreaterThan(0)
    expect(alive.requests).toHaveLength(2)
  })

  test.each(['POST', 'PATCH'])('%s gets 502, and is not doubled', async (method) => {
    const statuses: number[] = []
    for (const path of ['/1', '/2']) {
      const head = [`${method} ${path} HTTP/1.1`, host, 'content-length: 4']
      statuses.push((await ask(cutover, head, 'body')).status)
    }
    expect(statuses.sort()).toEqual([200, 502])
    expect(breaking[way]?.requests.map(({ text }) => text)).toEqual(['body'])
    expect(alive.requests.map(({ text }) => text)).toEqual(['body'])
  })

  test('a POST without a body is not doubled either', async () => {
    const statuses = [await ask(cutover, ['POST / HTTP/1.1', host]), await ask(cutover, ['POST / HTTP/1.1', host])]
    expect(statuses.map(({ status }) => status).sort()).toEqual([200, 502])
    expect([breaking[way]?.requests.length, alive.requests.length]).toEqual([1, 1])
  })
})

test('a PUT whose body was used up is not sent again without it', async () => {
  const head = ['PUT / HTTP/1.1', 'host: dead.test', 'content-length: 70000']
  expect((await ask(cutover, head, 'x'.repeat(70_000))).status).toBe(502)
  expect(dead.requests).toHaveLength(1)
})

test('a kept connection that dies under a GET: the only server is asked again, on another one', async () => {
  const client = await connect(cutover)
  const texts: string[] = []
  for (let i = 0; i < 2; i++) texts.push((await client.ask([`GET /single${i} HTTP/1.1`, 'host: single.test'])).text)
  expect(texts).toEqual(['ok', 'ok'])
  expect(await logged(cutover, '/single1')).toMatchObject({ status: 200, attempts: 2 })
  const labels = 'service="single",reason="connection_terminated"'
  expect(await metric(cutover, 'cutover_retries_total', labels)).toBe(1)
})

test.each([
  ['dead', 2],
  ['dead3', 3],
])('%s: 502 after %i tries', async (service, attempts) => {
  expect((await ask(cutover, [`GET /${service} HTTP/1.1`, `host: ${service}.test`])).status).toBe(502)
  expect(dead.requests).toHaveLength(attempts)
  expect(await logged(cutover, `/${service}`)).toMatchObject({ attempts, error: 'connection_terminated' })
})

test('methods that the configuration says may be repeated are', async () => {
  const head = ['POST / HTTP/1.1', 'host: posts.test']
  expect((await ask(cutover, head)).status).toBe(200)
  expect([dead.requests.length, alive.requests.length]).toEqual([1, 1])
})

test('retry.on without reset: 502 at once', async () => {
  expect((await ask(cutover, ['GET / HTTP/1.1', 'host: connects.test'])).status).toBe(502)
  expect([dead.requests.length, alive.requests.length]).toEqual([1, 0])
})
