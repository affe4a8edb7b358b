import { readFileSync } from 'node:fs'
import { beforeAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { atEnd, atEndOfFile } from '../support/endings.ts'
import { Client2 } from '../support/http2.ts'
import {
  ACK,
  block,
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  RawHttp2,
  requestFields,
  uint32,
} from '../support/raw-http2.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { servicesOf } from './support.ts'

const CANCEL = uint32(8)
let cutover: Cutover
let server: Upstream
let other: Client2

beforeAll(async () => {
  server = await startUpstream((request, response) => {
    if (request.url !== '/never') request.resume().on('end', () => response.end('ok'))
  })
  const accessLog = 'off'
  const proxy = { listen: [{ address: '127.0.0.1:0', h2c: true }], accessLog }
  cutover = await Cutover.start({ services: servicesOf({ app: { servers: [server] } }), proxy })
  other = await Client2.connect(cutover.proxy)
  atEndOfFile(async () => {
    other.close()
    await cutover.stop('SIGKILL')
    await server.close()
  })
})

/** Resident memory of the instance, MB. */
function memory(): number {
  const status = readFileSync(`/proc/${cutover.process.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}

/** Connections closed so far for reasons that match. */
async function closed(reason: string): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  const samples = body.matchAll(
    new RegExp(`^cutover_http2_connections_closed_total\\{.*reason="(?:${reason})".*\\} (\\d+)$`, 'gm'),
  )
  return [...samples].reduce((sum: number, [, count]: string[]) => sum + Number(count), 0)
}

interface Attack {
  /** Frames after the preface. */
  readonly begin?: Buffer
  readonly frames: (i: number) => Buffer
  /** The most that may be sent before the connection is closed. */
  readonly max: number
  readonly reads?: false
}

/** Sends frames until the connection closes; returns how many times. */
async function flood({ begin, frames, max, reads }: Attack): Promise<number> {
  const raw = await RawHttp2.connect(cutover.proxy)
  atEnd(() => raw.destroy())
  if (begin !== undefined) raw.send(begin)
  if (reads === false) raw.socket.pause()
  let sent = 0
  while (sent < max && !raw.isClosed) {
    const batch = Array.from({ length: Math.min(100, max - sent) }, () => frames(sent++))
    const next = raw.send(...batch) ? new Promise((resolve) => setImmediate(resolve)) : raw.writable()
    await next
    raw.frames.splice(0)
  }
  if (!raw.isClosed && reads !== false)
    await Promise.race([raw.closed(), new Promise((resolve) => setTimeout(resolve, 3_000))])
  return raw.isClosed ? sent : Number.POSITIVE_INFINITY
}

const get = (i: number, path = '/app/'): Buffer =>
  frame(FRAME.headers, END_STREAM | END_HEADERS, 2 * i + 1, block(requestFields(path)))
const post = (i: number): Buffer =>
  frame(FRAME.headers, END_HEADERS, 2 * i + 1, block(requestFields('/app/never', 'POST')))
const open = frame(FRAME.headers, END_STREAM, 1, block(requestFields('/app/')))

test.each<[string, Attack, string]>([
  [
    'rapid reset (CVE-2023-44487)',
    { frames: (i) => Buffer.concat([get(i), frame(FRAME.reset, 0, 2 * i + 1, CANCEL)]), max: 50_000 },
    // Of its streams, of those beyond the limit, or of answers that are not taken in time.
    'protocol_error|refused_streams|flood',
  ],
  [
    'resets that the client has the proxy send (CVE-2025-8671)',
    { frames: (i) => Buffer.concat([post(i), frame(FRAME.windowUpdate, 0, 2 * i + 1, uint32(0))]), max: 50_000 },
    'protocol_error',
  ],
  [
    'empty CONTINUATION',
    { begin: open, frames: () => frame(FRAME.continuation, 0, 1), max: 50_000 },
    'continuation_flood',
  ],
  [
    'CONTINUATION that goes on and on (CVE-2024-27316)',
    {
      begin: open,
      frames: (i) => frame(FRAME.continuation, 0, 1, block([[`x-${i}`, 'a'.repeat(10_000)]])),
      max: 5_000,
    },
    'continuation_flood',
  ],
  [
    'SETTINGS (CVE-2019-9515)',
    { frames: () => frame(FRAME.settings, 0, 0, Buffer.from([0, 4, 0, 0, 255, 255])), max: 200_000, reads: false },
    'flood',
  ],
  [
    'PING (CVE-2019-9512)',
    { frames: () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)), max: 500_000, reads: false },
    'flood',
  ],
  [
    'PING that was not asked for',
    { frames: () => frame(FRAME.ping, ACK, 0, Buffer.alloc(8)), max: 50_000 },
    'protocol_error',
  ],
  [
    'PRIORITY (CVE-2019-9513)',
    { frames: (i) => frame(FRAME.priority, 0, 3 + 2 * (i % 1_000), Buffer.from([0, 0, 0, 0, 16])), max: 200_000 },
    'protocol_error',
  ],
  [
    'empty DATA (CVE-2019-9518)',
    { begin: post(0), frames: () => frame(FRAME.data, 0, 1), max: 50_000 },
    'invalid_frames',
  ],
  [
    'window overflow',
    { frames: () => frame(FRAME.windowUpdate, 0, 0, uint32(0x7fffffff)), max: 5_000 },
    'flow_control_error',
  ],
  ['frames of an unknown type', { frames: () => frame(0x55, 0, 0, Buffer.alloc(8)), max: 200_000 }, 'protocol_error'],
  ['more streams than are allowed', { frames: post, max: 50_000 }, 'protocol_error|refused_streams|flood'],
  [
    'malformed requests',
    { frames: (i) => frame(FRAME.headers, END_STREAM | END_HEADERS, 2 * i + 1, block([['X', 'y']])), max: 50_000 },
    'protocol_error|invalid_frames',
  ],
])('%s: the connection is closed, memory stays bounded, and others go on', async (_name, attack, reason) => {
  const before = memory()
  const counted = await closed(reason)
  const inFlight = flood(attack)
  let slowest = 0
  let isOver = false
  void inFlight.then(() => {
    isOver = true
  })
  while (!isOver) {
    const since = performance.now()
    expect((await other.get('/app/')).status).toBe(200)
    slowest = Math.max(slowest, performance.now() - since)
  }
  const sent = await inFlight
  if (attack.reads !== false) expect(sent).toBeLessThanOrEqual(attack.max)
  expect(slowest).toBeLessThan(3_000)
  expect(memory() - before).toBeLessThan(100)
  await until(async () => (await closed(reason)) > counted)
  // Nothing of it goes on at the server.
  await until(async () => {
    const { services } = (await cutover.api('GET', '/api/services')).body
    return services[0].pools[0].inFlight === 0
  })
})

test('heads that unpack to megabytes are refused, and cost no memory', async () => {
  const before = memory()
  // One long field goes into the table, and is then named with one byte each time.
  const long = Buffer.concat([
    Buffer.from([0x40, 1]),
    Buffer.from('x'),
    Buffer.from([0x7f, 0xa1, 0x1e]),
    Buffer.from('a'.repeat(4_000)),
  ])
  const fields = block(requestFields('/app/'))
  for (let round = 0; round < 20; round++) {
    const raw = await RawHttp2.connect(cutover.proxy)
    for (let i = 0; i < 20; i++) {
      const bomb = Buffer.concat([fields, long, Buffer.alloc(4_000, 0xbe)])
      raw.send(frame(FRAME.headers, END_STREAM | END_HEADERS, 2 * i + 1, bomb))
    }
    await raw.find(({ type, stream }) => stream === 39 && (type === FRAME.reset || type === FRAME.headers))
    raw.destroy()
  }
  expect((await other.get('/app/')).status).toBe(200)
  expect(memory() - before).toBeLessThan(150)
})

test('clients that take one byte at a time hold no memory beyond their window, and lose their streams', async () => {
  const big = await startUpstream((_request, response) => response.end(Buffer.alloc(20_000_000)))
  const slow = await Cutover.start({
    services: servicesOf({ app: { servers: [big] } }),
    proxy: { listen: [{ address: '127.0.0.1:0', h2c: true }], timeouts: { idleBody: '1s' } },
  })
  atEnd(async () => {
    await slow.stop('SIGKILL')
    await big.close()
  })
  // SETTINGS_INITIAL_WINDOW_SIZE = 1
  const raw = await RawHttp2.connect(slow.proxy, Buffer.from([0, 4, 0, 0, 0, 1]))
  atEnd(() => raw.destroy())
  for (let i = 0; i < 50; i++) raw.send(get(i))
  const timer = setInterval(() => {
    for (let i = 0; i < 50; i++) raw.send(frame(FRAME.windowUpdate, 0, 2 * i + 1, uint32(1)))
  }, 50)
  for (let i = 0; i < 50; i++) expect(await raw.resetOf(2 * i + 1)).toBe(8)
  clearInterval(timer)
  const status = readFileSync(`/proc/${slow.process.pid}/status`, 'utf8')
  expect(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024).toBeLessThan(300)
  await until(async () => (await slow.api('GET', '/api/services')).body.services[0].pools[0].inFlight === 0)
})

test('a head that is never completed closes the connection after timeouts.header', async () => {
  const slow = await Cutover.start({
    services: servicesOf({ app: { servers: [server] } }),
    proxy: { listen: [{ address: '127.0.0.1:0', h2c: true }], timeouts: { header: '500ms' } },
  })
  atEnd(() => slow.stop('SIGKILL'))
  const raw = await RawHttp2.connect(slow.proxy)
  raw.send(open)
  const since = performance.now()
  await raw.closed()
  expect(performance.now() - since).toBeLessThan(5_000)
})
