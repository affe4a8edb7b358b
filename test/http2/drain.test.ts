import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { Load2 } from '../support/http2-load.ts'
import { FRAME, frame, type RawHttp2, requestFields, uint32 } from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { client, rawClient, servicesOf, startHttp2, upstream } from './support.ts'

const listen = [{ address: '127.0.0.1:0', h2c: true }]
const LAST = 2 ** 31 - 1

/** The last streams that the GOAWAYs of the other side have named, in order. */
function lastStreamsOf(raw: RawHttp2): number[] {
  return raw.frames.filter(({ type }) => type === FRAME.goaway).map(({ payload }) => payload.readUInt32BE(0))
}

/** Clients on four connections. */
function load(cutover: Cutover, path: string): Load2 {
  const running = new Load2({ url: `${cutover.proxy}${path}`, clients: 20, streams: 5, names: ['blue', 'green'] })
  atEnd(() => running.stop())
  return running
}

describe('a shutdown', () => {
  test('sends two GOAWAY; what the client has opened between them is served, and the connection closes', async () => {
    const answers: (() => void)[] = []
    const server = await upstream((_request, response) => answers.push(() => response.end('late')))
    const cutover = await startHttp2({ app: { servers: [server] } })
    const raw = await rawClient(cutover)
    raw.request(1, requestFields('/app/1'))
    await server.arrived(1)
    cutover.process.kill('SIGTERM')
    const first = await raw.find(({ type }) => type === FRAME.goaway)
    expect(first?.payload.readUInt32BE(0)).toBe(LAST)
    // The PING is not answered yet: for the proxy, this stream may have been opened before the GOAWAY arrived.
    raw.request(3, requestFields('/app/3'))
    await server.arrived(2)
    const second = await raw.find(({ type, payload }) => type === FRAME.goaway && payload.readUInt32BE(0) !== LAST)
    expect(second?.payload.readUInt32BE(0)).toBe(3)
    for (const answer of answers) answer()
    for (const id of [1, 3]) {
      const end = await raw.find(({ type, flags, stream }) => type === FRAME.data && stream === id && (flags & 1) === 1)
      expect(end).not.toBe(null)
    }
    await raw.closed()
    expect(await cutover.exited).toEqual({ code: 0, signal: null })
  })

  test('an idle connection closes, and the instance ends', async () => {
    const server = await upstream()
    const cutover = await startHttp2({ app: { servers: [server] } })
    const connection = await client(cutover)
    await connection.get('/app/')
    const closed = once(connection.session, 'close')
    cutover.process.kill('SIGTERM')
    await closed
    expect((await cutover.exited).code).toBe(0)
  })

  test('at the deadline, requests are cut: with 504, or a reset if the answer has begun', async () => {
    const server = await upstream((request, response) => {
      if (request.url === '/begun') response.write('part')
    })
    const cutover = await startHttp2({ app: { servers: [server] } }, { shutdown: { timeout: '1s' } })
    const connection = await client(cutover)
    const answers = [connection.get('/app/begun'), connection.get('/app/none')]
    await server.arrived(2)
    cutover.process.kill('SIGTERM')
    const [begun, none] = await Promise.all(answers)
    expect([begun?.status, begun?.reset, String(begun?.body)]).toEqual([200, 2, 'part'])
    expect(none?.status).toBe(504)
    expect((await cutover.exited).code).toBe(0)
  })
})

test('a client that takes nothing for a while loses nothing when its connection is drained meanwhile', async () => {
  // More than the buffers of the kernel hold.
  const body = Buffer.alloc(64_000_000)
  let sending: Socket | null = null
  const server = await upstream((request, response) => {
    sending = request.socket
    response.end(request.url === '/big' ? body : 'small')
  })
  const limits = { requestsPerConnection: 2 }
  const cutover = await startHttp2({ app: { servers: [server] } }, { proxy: { listen, workers: 1, limits } })
  const raw = await rawClient(cutover, Buffer.concat([Buffer.from([0, 4]), uint32(LAST)]))
  raw.send(frame(FRAME.windowUpdate, 0, 0, uint32(LAST - 65_535)))
  raw.socket.pause()
  raw.request(1, requestFields('/app/big'))
  await server.arrived(1)
  const unsent: number[] = []
  await until(() => {
    unsent.push(sending?.writableLength ?? 0)
    return unsent.length > 10 && unsent.at(-1) === unsent.at(-10)
  })
  expect(unsent.at(-1)).toBeGreaterThan(0)
  // The last request that this connection may have.
  raw.request(3, requestFields('/app/small'))
  await server.arrived(2)
  raw.socket.resume()
  for (const id of [1, 3]) {
    expect(await raw.find(({ flags, type, stream }) => type === FRAME.data && stream === id && flags === 1)).not.toBe(
      null,
    )
  }
  const sizes = raw.frames.filter(({ type, stream }) => type === FRAME.data && stream === 1)
  expect(sizes.reduce((sum, { payload }) => sum + payload.length, 0)).toBe(body.length)
  await raw.closed()
  // There was no room for the first GOAWAY, which names no stream.
  expect(lastStreamsOf(raw)).not.toContain(LAST)
  expect((await cutover.api('GET', '/metrics')).body).toMatch(/^cutover_worker_restarts_total 0$/m)
})

test('a drain after the GOAWAY of the client takes nothing back: what it has opened is answered', async () => {
  const answers: (() => void)[] = []
  const server = await upstream((_request, response) => answers.push(() => response.end('late')))
  const cutover = await startHttp2({ app: { servers: [server] } })
  const raw = await rawClient(cutover)
  raw.request(1, requestFields('/app/'))
  await server.arrived(1)
  raw.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)])))
  expect(await raw.find(({ type }) => type === FRAME.goaway)).not.toBe(null)
  cutover.process.kill('SIGTERM')
  await until(() => cutover.stderr.includes('stopping') || cutover.stdout.includes('stopping'))
  for (const answer of answers) answer()
  expect(await raw.find(({ type, flags }) => type === FRAME.data && flags === 1)).not.toBe(null)
  await raw.closed()
  // RFC 9113 section 6.8: no GOAWAY names a later stream than one before.
  const streams = lastStreamsOf(raw)
  expect(streams).toEqual(streams.toSorted((a, b) => b - a))
  expect(await cutover.exited).toEqual({ code: 0, signal: null })
})

test('a connection whose client has said that it leaves is closed soon, though the client leaves it open', async () => {
  const server = await upstream()
  const cutover = await startHttp2({ app: { servers: [server] } })
  for (const isBusy of [false, true]) {
    const raw = await rawClient(cutover, undefined, true)
    raw.request(1, requestFields('/app/'))
    if (!isBusy) await raw.find(({ type, flags }) => type === FRAME.data && flags === 1)
    raw.send(frame(FRAME.goaway, 0, 0, Buffer.concat([uint32(0), uint32(0)])))
    expect(await raw.find(({ type, flags }) => type === FRAME.data && flags === 1)).not.toBe(null)
    await until(async () => /^cutover_connections\{.* 0$/m.test((await cutover.api('GET', '/metrics')).body), 10_000)
  }
})

test('workers are replaced, the configuration is read again, and pools are switched 50 times: no request is lost', async () => {
  const blue = await upstream((_request, response) => setTimeout(() => response.end('blue'), 2))
  const green = await upstream((_request, response) => setTimeout(() => response.end('green'), 2))
  const pools = { blue: { version: '1', servers: { b: blue.url } }, green: { version: '2', servers: { g: green.url } } }
  const sketch = { servers: [], pools, split: { blue: 100 } }
  const cutover = await startHttp2({ app: sketch }, { proxy: { listen, workers: 2 } })
  const running = load(cutover, '/app/a')
  await running.more(100)
  for (let i = 0; i < 50; i++) {
    const to = i % 2 === 0 ? 'green' : 'blue'
    expect((await cutover.api('POST', '/api/services/app/switch?wait=10s', { to })).status).toBe(200)
    await running.more(10)
  }
  const before = running.connections
  const { body } = await cutover.api('GET', '/api/instances')
  const pids = (answer: { instances: { processes: { pid: number }[] }[] }): number[] =>
    answer.instances.flatMap(({ processes }) => processes.map(({ pid }) => pid))
  for (let i = 0; i < 2; i++) {
    cutover.process.kill('SIGUSR2')
    await running.more(300)
  }
  await cutover.configure({
    services: servicesOf({ app: sketch, other: { servers: [blue] } }),
    proxy: { listen: [{ address: new URL(cutover.proxy).host, h2c: true }], workers: 2 },
  })
  expect((await cutover.api('POST', '/api/config/reload')).status).toBe(200)
  await running.more(300)
  const first = pids(body)
  await until(async () => {
    const after = pids((await cutover.api('GET', '/api/instances')).body)
    return after.length > 0 && first.some((pid) => !after.includes(pid))
  })
  await running.stop()
  expect(running.figures().failures).toEqual({})
  expect(running.connections).toBeGreaterThan(before)
})
