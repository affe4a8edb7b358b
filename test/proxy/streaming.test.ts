import { once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { type Listening, startRawUpstream } from '../support/upstream.ts'
import { connect, endAll, endWithAll, logged, metric, startCutover } from './support.ts'

let cutover: Cutover
let server: Listening
const waiting: ((connection: RawConnection) => void)[] = []
const arrived: RawConnection[] = []

beforeAll(async () => {
  server = await startRawUpstream((socket) => {
    const connection = new RawConnection(socket)
    const next = waiting.shift()
    if (next === undefined) arrived.push(connection)
    else next(connection)
  })
  endWithAll(() => server.close())
  cutover = await startCutover({ app: { servers: [server], connections: { keepAlive: 0 } } })
})

afterAll(endAll)

/** The next connection that the proxy opens: one a request, as none is kept. */
function accepted(): Promise<RawConnection> {
  const first = arrived.shift()
  return first === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(first)
}

/** Resolves with how long it took, in ms. */
async function took(promise: Promise<unknown>): Promise<number> {
  const since = performance.now()
  await promise
  return performance.now() - since
}

/** Of several pieces most come at once, however busy the machine; a proxy that holds any back holds them all. */
function expectPrompt(latencies: readonly number[]): void {
  const median = [...latencies].sort((a, b) => a - b)[latencies.length >> 1]
  expect(median).toBeLessThan(100)
}

describe('W10 what the server says is passed on at once', () => {
  test('events reach the client in less than 100 ms each, over a stream that does not end', async () => {
    const client = await connect(cutover)
    client.send('GET /events HTTP/1.1\r\nhost: app.test\r\naccept: text/event-stream\r\n\r\n')
    const upstream = await accepted()
    await upstream.request()
    upstream.send('HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n')
    expect((await client.head()).field('content-type')).toBe('text/event-stream')
    const latencies: number[] = []
    for (let i = 0; i < 10; i++) {
      const event = `data: ${i}\n\n`
      const chunk = `${event.length.toString(16)}\r\n${event}\r\n`
      upstream.send(chunk)
      latencies.push(await took(client.bytes(chunk.length).then((bytes) => expect(bytes.toString()).toBe(chunk))))
    }
    expectPrompt(latencies)
    expect(await metric(cutover, 'cutover_requests_in_flight')).toBe(1)
    client.destroy()
    expect(await took(upstream.closed())).toBeLessThan(1_000)
  })

  test.each(['content-length: 4', 'transfer-encoding: chunked', 'x-none: delimited by the end'])(
    'the head comes before a body that comes later (%s)',
    async (framing) => {
      const latencies: number[] = []
      for (let i = 0; i < 5; i++) {
        const client = await connect(cutover)
        client.send('GET /late HTTP/1.1\r\nhost: app.test\r\n\r\n')
        const upstream = await accepted()
        await upstream.request()
        upstream.send(`HTTP/1.1 200 OK\r\n${framing}\r\n\r\n`)
        latencies.push(await took(client.head().then(({ status }) => expect(status).toBe(200))))
        client.destroy()
        await upstream.closed()
      }
      expectPrompt(latencies)
    },
  )

  test('so is every piece of a body with a length', async () => {
    const client = await connect(cutover)
    client.send('GET /pieces HTTP/1.1\r\nhost: app.test\r\n\r\n')
    const upstream = await accepted()
    await upstream.request()
    upstream.send('HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n')
    await client.head()
    const latencies: number[] = []
    for (let i = 0; i < 5; i++) {
      upstream.send('0123456789')
      latencies.push(await took(client.bytes(10)))
    }
    expectPrompt(latencies)
  })
})

describe('what the client says is passed on at once', () => {
  test('head and pieces of a body, and the answer while the body is still coming', async () => {
    const client = await connect(cutover)
    client.send('POST /both HTTP/1.1\r\nhost: app.test\r\ntransfer-encoding: chunked\r\n\r\n')
    client.send('4\r\nping\r\n')
    const upstream = await accepted()
    await upstream.head()
    expect((await upstream.bytes(7)).toString()).toBe('4\r\nping')
    upstream.send('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n')
    await client.head()
    const latencies: number[] = []
    for (let i = 0; i < 5; i++) {
      client.send('4\r\nping\r\n')
      // The end of a chunk comes with the next one; a reader does not need it for its data.
      latencies.push(await took(upstream.bytes(9)))
      upstream.send('4\r\npong\r\n')
      latencies.push(await took(client.bytes(9)))
    }
    expectPrompt(latencies)
    client.send('0\r\n\r\n')
    expect((await upstream.bytes(7)).toString()).toBe('\r\n0\r\n\r\n')
    upstream.send('0\r\n\r\n')
    expect((await client.bytes(5)).toString()).toBe('0\r\n\r\n')
    expect(await logged(cutover, '/both')).toMatchObject({ status: 200, bytes: 20 })
  })
})

describe('an answer before the request has ended', () => {
  test.each([
    ['keeps its connection', (_upstream: RawConnection) => undefined],
    ['ends it', ({ socket }: RawConnection) => socket.end()],
  ])('reaches the client when the server %s, and the rest of the body is dropped', async (how, andThen) => {
    const client = await connect(cutover)
    const target = `/early-${how.split(' ')[0]}`
    client.send(`POST ${target} HTTP/1.1\r\nhost: app.test\r\ncontent-length: 3000000\r\n\r\nbeginning`)
    const upstream = await accepted()
    await upstream.head()
    upstream.socket.pause()
    const answer = 'HTTP/1.1 413 Content Too Large\r\ncontent-length: 9\r\n\r\ntoo large'
    upstream.socket.write(answer, () => andThen(upstream))
    const response = await client.response()
    expect([response.status, response.text, response.ending]).toEqual([413, 'too large', 'framed'])
    // Either the proxy reads the rest, or it closes; what it must not do is to let the client wait.
    if (client.ended === null) {
      client.send(Buffer.alloc(3_000_000 - 'beginning'.length))
      client.send('GET /after-early HTTP/1.1\r\nhost: app.test\r\n\r\n')
      const next = await accepted()
      await next.request()
      next.send('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      expect((await client.response()).text).toBe('ok')
    }
    upstream.destroy()
    expect(await logged(cutover, target)).toMatchObject({ status: 413, attempts: 1 })
    await until(async () => (await metric(cutover, 'cutover_requests_in_flight')) === 0, 1_000)
  })

  test('is one that the server may give while the client is still sending', async () => {
    const client = await connect(cutover)
    client.send('POST /early-streaming HTTP/1.1\r\nhost: app.test\r\ncontent-length: 100000000\r\n\r\nbeginning')
    const upstream = await accepted()
    await upstream.head()
    // More than all the buffers on the way hold, so that the client is still sending.
    const sending = client.socket.write(Buffer.alloc(50_000_000))
    expect(sending).toBe(false)
    upstream.send('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno')
    const response = await client.response()
    expect([response.status, response.text]).toEqual([401, 'no'])
    client.destroy()
    await once(client.socket, 'close')
    await until(async () => (await metric(cutover, 'cutover_requests_in_flight')) === 0, 1_000)
  })
})
