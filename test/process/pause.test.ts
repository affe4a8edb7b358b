import { connect, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const ROUNDS = 20
const CLIENTS = 64
/** Connections of clients whose requests are held; a process may not have more than 20,000 descriptors here. */
const HELD = Number(process.env.HELD_CLIENTS ?? 2_000)
/** Number of them after which the memory is measured first. */
const FIRST = 500
/** What each of them sends of its body, and the max memory of one of them with its connection, garbage included. */
const BODY = 'x'.repeat(4_000)
const MAX_BYTES_EACH = 150_000

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

async function shop(): Promise<{ cutover: Cutover; blue: Upstream; green: Upstream }> {
  const [blue, green] = [
    await startUpstream(undefined, { name: 'blue' }),
    await startUpstream(undefined, { name: 'green' }),
  ]
  ending.push(
    () => blue.close(),
    () => green.close(),
  )
  const pools = { blue: { servers: { blue: blue.url } }, green: { servers: { green: green.url } } }
  const services = { shop: { pools, split: { blue: 100 }, health: { interval: '200ms' } } }
  const cutover = await Cutover.start({ services, proxy: { workers: 2, accessLog: 'off', limits: { held: 50_000 } } })
  ending.push(() => cutover.stop('SIGKILL'))
  return { cutover, blue, green }
}

async function post(cutover: Cutover, verb: string, body: object = {}): Promise<void> {
  const answer = await cutover.api('POST', `/api/services/shop/${verb}?wait=20s`, body)
  expect([answer.status, answer.body.detail]).toEqual([200, undefined])
}

async function metric(cutover: Cutover, name: string): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(new RegExp(`^cutover_${name}\\{service="shop"\\} (\\d+)$`, 'm').exec(body)?.[1])
}

async function workerMemory(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/api/instances')
  const processes: { role: string; memoryBytes: number }[] = body.instances[0].processes
  return processes.filter(({ role }) => role === 'worker').reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
}

test(`pause, switch, resume ${ROUNDS} times at ${CLIENTS} busy connections: no request fails, and none reaches a server while paused`, async () => {
  const { cutover, blue, green } = await shop()
  const load = new Load({ url: `${cutover.proxy}/`, clients: CLIENTS, names: ['blue', 'green'] })
  const reached = () => blue.requests.length + green.requests.length
  for (let round = 0; round < ROUNDS; round++) {
    await load.more(200)
    await post(cutover, 'pause')
    const before = reached()
    await post(cutover, 'switch', { to: round % 2 === 0 ? 'green' : 'blue' })
    // All clients wait; if some request were sent anyway, it would have arrived by the time the others are all held.
    await vi.waitFor(async () => expect(await metric(cutover, 'held_requests')).toBe(CLIENTS), { timeout: 20_000 })
    expect(reached()).toBe(before)
    await post(cutover, 'resume')
  }
  const figures = await load.stop()
  expect(figures.failures).toEqual({})
  expect(figures.completed).toBeGreaterThan(ROUNDS * 200)
  expect(Object.keys(figures.answers).sort()).toEqual(['blue', 'green'])
})

test(`${HELD} held clients take bounded memory, those that leave are forgotten, and the rest is served`, async () => {
  const { cutover } = await shop()
  const { hostname, port } = new URL(cutover.proxy)
  await post(cutover, 'pause', { for: '100s' })
  // Measured with the first ones held: the workers have their own memory by then.
  let before = 0
  let answered = 0
  const sockets: Socket[] = []
  for (let i = 0; i < HELD; i++) {
    const socket = connect(Number(port), hostname)
    socket.once('data', () => answered++)
    socket.on('error', () => {})
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${BODY.length + 4}\r\n\r\n${BODY}`)
    sockets.push(socket)
    if (i % FIRST !== FIRST - 1) continue
    await vi.waitFor(async () => expect(await metric(cutover, 'held_requests')).toBe(i + 1), 20_000)
    if (before === 0) before = await workerMemory(cutover)
  }
  expect(((await workerMemory(cutover)) - before) / (HELD - FIRST)).toBeLessThan(MAX_BYTES_EACH)
  const [gone, rest] = [sockets.slice(0, HELD / 2), sockets.slice(HELD / 2)]
  for (const socket of gone) socket.destroy()
  await vi.waitFor(async () => expect(await metric(cutover, 'held_requests')).toBe(rest.length), 20_000)
  await post(cutover, 'resume')
  for (const socket of rest) socket.write('rest')
  await vi.waitFor(() => expect(answered).toBe(rest.length), { timeout: 60_000 })
  for (const socket of rest) socket.destroy()
})
