import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { StreamEnd } from '../../src/control/stream-link.ts'
import type { ToControl, ToProxy } from '../../src/model/messages.ts'
import type { TableService } from '../../src/model/table.ts'
import { DataPlane } from '../../src/proxy/data-plane.ts'

const SERVICES = 10_000
const SERVERS = 10

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0)) await end()
})

function service(i: number): TableService {
  const server = (j: number) => ({
    key: `s${i}/main/n${j}=http://10.0.0.1:${j}`,
    name: `n${j}`,
    url: `http://10.0.0.1:${j}`,
    weight: 1,
    backup: false,
    maxConnections: 0,
    open: true,
    cutAt: null,
  })
  return {
    name: `s${i}`,
    decision: 1,
    hosts: [`s${i}.test`],
    paths: ['/'],
    stripPrefix: false,
    balance: 'leastRequest',
    panic: 0,
    retry: { attempts: 2, on: ['connect'], statuses: [], methods: ['GET'], budget: 0.2, bodyBytes: 0 },
    timeouts: { connectMs: 2_000, responseMs: 60_000, idleMs: 60_000, queueMs: 0 },
    connections: { perServer: 0, keepAliveMs: 4_000 },
    drain: { timeoutMs: 30_000, websockets: 'close' },
    pools: [
      { name: 'main', version: '1', share: 10_000, servers: Array.from({ length: SERVERS }, (_, j) => server(j)) },
    ],
  }
}

function dataPlane(tell: (message: ToControl) => void): DataPlane {
  return new DataPlane(
    {
      trustedProxies: [],
      forwarding: { forwarded: false, traceSample: 1 },
      tracing: null,
      limits: {
        headerBytes: 16_384,
        urlBytes: 8_192,
        bodyBytes: 0,
        connections: 0,
        requestsPerConnection: 0,
        streams: 100,
        held: 0,
      },
      timeouts: { headerMs: 10_000, requestMs: 0, keepAliveMs: 75_000, idleBodyMs: 60_000, tunnelMs: 3_600_000 },
    },
    null,
    tell,
    { error: () => undefined, warn: () => undefined, info: () => undefined },
  )
}

const all = Array.from({ length: SERVICES }, (_, i) => service(i))
const whole: ToProxy = {
  type: 'table',
  change: { base: null, generation: 1, services: all, removed: [] },
  health: [],
  nowMs: 0,
}

/** CPU time of this thread in ms, which does not depend on the load of the machine. */
function cost(work: () => void): number {
  const before = process.threadCpuUsage()
  work()
  const { user, system } = process.threadCpuUsage(before)
  return (user + system) / 1_000
}

/** Ms of CPU time in which 10,000 services with 10 servers each are in force; 130-200 were measured. */
const IN_FORCE_MS = 250
/** That time as a multiple of what reading the table's JSON costs, for a machine that is slower or busy; 2-3 were measured. */
const IN_FORCE_READS = 10

test('10,000 services with 10 servers each are in force after a fraction of a second, a change of one service much sooner', () => {
  const applied: number[] = []
  const plane = dataPlane((message) => message.type === 'applied' && applied.push(message.generation))
  // The min of several tries: the first ones include the warm-up of the JavaScript engine.
  const times = [1, 2, 3, 4].map(() => {
    const fresh = dataPlane(() => undefined)
    return cost(() => fresh.receive(whole))
  })
  const text = JSON.stringify(whole)
  const reads = [1, 2, 3, 4].map(() => cost(() => void JSON.parse(text)))
  expect(Math.min(...times)).toBeLessThan(Math.max(IN_FORCE_MS, IN_FORCE_READS * Math.min(...reads)))
  plane.receive(whole)
  const changes = [2, 3, 4].map((generation) => {
    const change = { base: generation - 1, generation, services: [service(7)], removed: generation === 4 ? ['s9'] : [] }
    return cost(() => plane.receive({ type: 'table', change, health: [], nowMs: 0 }))
  })
  expect(Math.min(...changes)).toBeLessThan(Math.min(...times) / 3)
  expect(applied).toEqual([1, 2, 3, 4])
  expect(plane.router.match('s9.test', '/')).toBeNull()
  expect(plane.router.match('s9999.test', '/a')?.route.table.name).toBe('s9999')
})

test('the cost of matching a request does not depend on the number of services', () => {
  const [many, one] = [dataPlane(() => undefined), dataPlane(() => undefined)]
  many.receive(whole)
  one.receive({
    type: 'table',
    change: { base: null, generation: 1, services: [service(5)], removed: [] },
    health: [],
    nowMs: 0,
  })
  const match = (plane: DataPlane) => () => {
    for (let i = 0; i < 200_000; i++) plane.router.match('s5.test', '/some/path?x=1')
  }
  const least = (plane: DataPlane) => Math.min(...[1, 2, 3, 4, 5].map(() => cost(match(plane))))
  least(one)
  expect(least(many)).toBeLessThan(2 * least(one) + 5)
})

test('a table change that is not based on the table in force is refused', () => {
  const plane = dataPlane(() => undefined)
  plane.receive({
    type: 'table',
    change: { base: null, generation: 1, services: [service(1)], removed: [] },
    health: [],
    nowMs: 0,
  })
  const change = { base: 5, generation: 6, services: [], removed: ['s1'] }
  expect(() => plane.receive({ type: 'table', change, health: [], nowMs: 0 })).toThrow(
    'a table for generation 5, not 1',
  )
  expect(plane.router.match('s1.test', '/')).not.toBeNull()
})

test('a wire delivers messages whole and in order, in whatever pieces they arrive, even to a late receiver', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-wire-'))
  ending.push(() => rm(folder, { recursive: true, force: true }))
  const server = createServer()
  server.listen(join(folder, 'wire'))
  ending.push(() => server.close())
  const accepted = new Promise<import('node:net').Socket>((resolve) => server.once('connection', resolve))
  const client = connect(join(folder, 'wire'))
  ending.push(() => client.destroy())
  const near = new StreamEnd<object, object>(client, () => undefined)
  const far = new StreamEnd<object, object>(await accepted, () => undefined)
  const sent = [{ a: 1 }, whole, { text: 'ü€𝄞'.repeat(1_000) }, {}]
  for (const message of sent) near.send(message)
  const got = await new Promise<object[]>((resolve) => {
    const messages: object[] = []
    setTimeout(() => {
      far.receive((message) => {
        messages.push(message)
        if (messages.length === sent.length) resolve(messages)
      })
    }, 50)
  })
  expect(got).toEqual(sent)
})

test('a wire is closed when it receives malformed data', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-wire-'))
  ending.push(() => rm(folder, { recursive: true, force: true }))
  const server = createServer((socket) => {
    new StreamEnd<object, object>(socket, () => undefined).receive(() => undefined)
  })
  server.listen(join(folder, 'wire'))
  ending.push(() => server.close())
  for (const nonsense of [Buffer.from([0, 0, 0, 2, 123, 123]), Buffer.from([255, 255, 255, 255])]) {
    const client = connect(join(folder, 'wire'))
    client.on('error', () => undefined)
    client.write(nonsense)
    await new Promise((resolve) => client.once('close', resolve))
  }
})
