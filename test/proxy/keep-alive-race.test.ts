import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { connect, endAll, rawUpstream, type Sketch, startCutover } from './support.ts'

/** How long the servers keep an idle connection. */
const KEEP_ALIVE_MS = 1_000
/** A client each. */
const SERIES = 20
const REQUESTS = 7

/** Nobody has promised that a connection lives on; the longer it idles, the less may be staked on it. */
const IDLE = [
  ['GET', 'silent', 200, true],
  ['GET', 'silent', 900, true],
  ['POST', 'silent', 100, true],
  ['POST', 'silent', 900, false],
  // A server that says how long it keeps a connection is believed, less a second for what is on its way.
  ['GET', 'hinting-1', 0, false],
  ['POST', 'hinting-1', 0, false],
  ['GET', 'hinting-2', 300, true],
  ['POST', 'hinting-2', 300, true],
  ['GET', 'hinting-2', 1_500, false],
  ['POST', 'hinting-2', 1_500, false],
  // `connections.keepAlive` is the most, whatever the server says.
  ['GET', 'hinting-60', 300, true],
  ['GET', 'hinting-60', 1_500, false],
  ['GET', 'zero', 0, false],
  ['POST', 'zero', 0, false],
] as const

let cutover: Cutover

/** Answers every request and closes its connection when that has been idle for a second. */
function closing(hint: string) {
  return rawUpstream(async (connection, socket) => {
    for (;;) {
      const idle = setTimeout(() => socket.end(), KEEP_ALIVE_MS)
      const request = await connection.request().catch(() => null)
      clearTimeout(idle)
      if (request === null) return
      connection.send(`HTTP/1.1 200 OK\r\ncontent-length: 2\r\n${hint}\r\nok`)
    }
  })
}

/** A service of its own for a test; its server answers with the number of the connection, and closes none. */
async function patientService([, kind]: (typeof IDLE)[number], i: number): Promise<[string, Sketch]> {
  let connections = 0
  const [, seconds] = /^hinting-(\d+)$/.exec(kind) ?? []
  const hint = seconds === undefined ? '' : `keep-alive: timeout=${seconds}\r\n`
  const server = await rawUpstream(async (connection) => {
    const number = String(connections++)
    while ((await connection.request().catch(() => null)) !== null) {
      connection.send(`HTTP/1.1 200 OK\r\ncontent-length: ${number.length}\r\n${hint}\r\n${number}`)
    }
  })
  const keepAlive = kind === 'zero' ? { keepAlive: 0 } : kind === 'hinting-60' ? { keepAlive: '1s' } : {}
  return [`patient${i}`, { servers: [server], connections: keepAlive }]
}

beforeAll(async () => {
  cutover = await startCutover({
    silent: { servers: [await closing('')] },
    hinting: { servers: [await closing('keep-alive: timeout=1\r\n')] },
    ...Object.fromEntries(await Promise.all(IDLE.map(patientService))),
  })
})

afterAll(endAll)

test.concurrent.each([
  ['GET', 'silent'],
  ['POST', 'silent'],
  ['GET', 'hinting'],
  ['POST', 'hinting'],
])('Q3 %s every 0.9 to 1.1 s to a %s server that keeps connections for 1 s: no 5xx', async (method, service) => {
  const statuses: number[] = []
  const series = Array.from({ length: SERIES }, async (_, i) => {
    const client = await connect(cutover)
    for (let n = 0; n < REQUESTS; n++) {
      const head = [
        `${method} / HTTP/1.1`,
        `host: ${service}.test`,
        ...(method === 'POST' ? ['content-length: 4'] : []),
      ]
      statuses.push((await client.ask(head, method === 'POST' ? 'body' : '')).status)
      // From 900 to 1100 ms, every time another moment, the more of them the nearer to the second.
      const off = ((i * REQUESTS + n) / (SERIES * REQUESTS)) * 2 - 1
      await delay(KEEP_ALIVE_MS + 100 * off ** 3)
    }
  })
  await Promise.all(series)
  expect(statuses.filter((status) => status !== 200)).toEqual([])
  expect(statuses).toHaveLength(SERIES * REQUESTS)
})

test.concurrent.each(IDLE.map((each, i) => [...each, i] as const))(
  '%s to a %s server, %i ms after the last one: over the same connection: %s',
  async (method, _kind, ms, isSame, i) => {
    const client = await connect(cutover)
    const head = [`${method} / HTTP/1.1`, `host: patient${i}.test`]
    const before = (await client.ask(head)).text
    await delay(ms)
    expect((await client.ask(head)).text === before).toBe(isSame)
  },
)
