import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { connect, endAll, rawUpstream, startCutover } from './support.ts'

/** How long the servers keep an idle connection. */
const KEEP_ALIVE_MS = 1_000
/** A client each. */
const SERIES = 20
const REQUESTS = 7

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

beforeAll(async () => {
  cutover = await startCutover({
    silent: { servers: [await closing('')] },
    hinting: { servers: [await closing('keep-alive: timeout=1\r\n')] },
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
