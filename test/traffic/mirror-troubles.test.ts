import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { Latencies } from '../support/latencies.ts'
import { Load } from '../support/load.ts'
import { freePort, startRawUpstream } from '../support/upstream.ts'
import { figuresOf, type MirrorFigures } from './mirror-support.ts'
import { expectNoneFailed, pool, raw, start, upstream } from './support.ts'

/** Short rounds, in turn: what else the machine does in the meantime makes both services slower. */
const ROUNDS = 20
const REQUESTS = 50
const CLIENTS = 2
const ALL = ROUNDS * REQUESTS
/** Max copies at a time of a mirror that hangs. */
const SOME = 500
/** By how much the requests of a service with a mirror may be slower: less than a request that waits for a slow copy. */
const MOST_FACTOR = 3
const MOST_MORE_MS = { p50: 50, p99: 150 }
const SLOW_MS = 500

const MB = 1024 * 1024
const MOST_GROWTH_KB = 96 * 1024

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'
const CUT_SHORT = 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegin'

/** A server that does this whenever it is sent something. */
async function rude(act: (socket: Socket) => unknown): Promise<string> {
  const server = await startRawUpstream((socket) => socket.on('data', () => act(socket)))
  atEnd(() => server.close())
  return server.url
}

/** Two services on one app, at `plain.test` and at `mirrored.test`; the second one's requests are copied to `url`. */
async function startBoth(url: string, mirror: object = {}): Promise<Cutover> {
  const blue = pool(
    await upstream('blue1', (request, response) => request.on('end', () => response.end('blue1')).resume()),
  )
  const common = { health: 'off', split: { blue: 100 } }
  const pools = { blue, dark: { servers: { dark1: url } } }
  return start({
    services: {
      plain: { ...common, hosts: ['plain.test'], pools: { blue } },
      mirrored: {
        ...common,
        hosts: ['mirrored.test'],
        pools,
        mirror: { to: 'dark', methods: ['GET', 'POST'], inFlight: ALL, ...mirror },
      },
    },
  })
}

/** Sends requests to both services in turn, none of which may fail. */
async function load(cutover: Cutover) {
  const latencies = { plain: new Latencies(), mirrored: new Latencies() }
  for (let round = 0; round < ROUNDS; round++) {
    for (const name of ['plain', 'mirrored'] as const) {
      const onAnswer = (ms: number) => latencies[name].add(ms)
      const options = { url: `${cutover.proxy}/`, hostHeader: `${name}.test`, names: ['blue1'], onAnswer }
      const figures = await new Load({ ...options, clients: CLIENTS, requests: REQUESTS }).done
      expectNoneFailed(figures)
      expect(figures.completed).toBe(REQUESTS)
    }
  }
  return { plain: latencies.plain.figures, mirrored: latencies.mirrored.figures }
}

test.for<[string, () => Promise<string>, MirrorFigures, object?]>([
  ['hangs', () => rude(() => undefined), { 'dropped in_flight': ALL - SOME }, { inFlight: SOME }],
  ['is slow', () => rude((socket) => setTimeout(() => socket.write(OK), SLOW_MS)), { 'requests 200': ALL }],
  ['refuses connections', async () => `http://127.0.0.1:${await freePort()}`, { 'failures connection_refused': ALL }],
  ['hangs up', () => rude((socket) => socket.destroy()), { 'failures connection_terminated': ALL }],
  ['dies in mid-answer', () => rude((socket) => socket.end(CUT_SHORT)), { 'failures connection_terminated': ALL }],
  [
    'answers garbage',
    () => rude((socket) => socket.write('\x16\x03\x01 not HTTP\r\n\r\n')),
    { 'failures http_protocol_error': ALL },
  ],
])('a mirror that %s fails no request, and delays none', async ([, startServer, outcome, mirror]) => {
  const cutover = await startBoth(await startServer(), mirror)
  const { plain, mirrored } = await load(cutover)
  expect(mirrored.p50Ms).toBeLessThan(plain.p50Ms * MOST_FACTOR + MOST_MORE_MS.p50)
  expect(mirrored.p99Ms).toBeLessThan(plain.p99Ms * MOST_FACTOR + MOST_MORE_MS.p99)
  await figuresOf(cutover, 'mirrored').counts(outcome)
})

/** Resident memory of the proxy's process in kB. */
async function memory(cutover: Cutover): Promise<number> {
  const status = await readFile(`/proc/${cutover.process.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
}

test('the memory stays bounded while a mirror hangs and takes nothing', async () => {
  const server = await startRawUpstream((socket) => socket.pause())
  atEnd(() => server.close())
  const cutover = await startBoth(server.url, { inFlight: 8, bodyBytes: '1mb' })
  const client = await raw(cutover)
  const body = Buffer.alloc(MB, 'x')
  const send = async (host: string, times: number): Promise<void> => {
    const lines = ['POST / HTTP/1.1', `Host: ${host}`, `Content-Length: ${MB}`]
    for (let i = 0; i < times; i++) expect((await client.ask(lines, body)).status).toBe(200)
  }
  await send('plain.test', 50)
  const before = await memory(cutover)
  let most = 0
  for (let i = 0; i < 30; i++) {
    await send('mirrored.test', 10)
    most = Math.max(most, await memory(cutover))
  }
  expect(most - before).toBeLessThan(MOST_GROWTH_KB)
  await figuresOf(cutover, 'mirrored').counts({ 'dropped in_flight': 300 - 8 })
})
