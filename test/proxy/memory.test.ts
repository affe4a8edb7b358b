import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import net from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { standstill } from '../support/standstill.ts'
import { endAll, startCutover, upstream } from './support.ts'

const TOTAL = 1 << 30
/** Sent through before anything is measured: a process that has done nothing yet grows by what it needs for anything. */
const WARM_UP = 1 << 26
const CHUNK = Buffer.alloc(1 << 20, 'x')
/** The readers stop so often on the way, each time until nothing more moves. */
const STOPS = 4
/** What all the buffers between a writer and a reader that has stopped may hold, the kernel's included. */
const MOST_IN_BUFFERS = 128 * 1024 * 1024
const MOST_GROWTH_KB = 32 * 1024

let cutover: Cutover
let received = 0
let sent = 0

beforeAll(async () => {
  const server = await upstream(async (request, response) => {
    if (request.method === 'POST') {
      await readWithStops(request)
      response.end('done')
      return
    }
    const total = request.url === '/warm-up' ? WARM_UP : TOTAL
    response.setHeader('content-length', total)
    await writeAll(response, total)
    response.end()
  })
  cutover = await startCutover({ app: { servers: [server], timeouts: { response: 0, idle: 0 } } })
  const client = connect()
  client.write('GET /warm-up HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n')
  await once(client.resume(), 'end')
})

afterAll(endAll)

async function writeAll(to: NodeJS.WritableStream, total: number): Promise<void> {
  for (sent = 0; sent < total; sent += CHUNK.length) {
    if (!to.write(CHUNK)) await once(to, 'drain')
  }
}

/** Reads to the end, and stops on the way until the writer has stopped as well: what is under way then is bounded. */
async function readWithStops(from: AsyncIterable<Buffer>): Promise<void> {
  received = 0
  let nextStop = 0
  for await (const chunk of from) {
    if (received >= nextStop) {
      nextStop += TOTAL / STOPS
      await standstill(() => sent)
      expect(sent - received).toBeLessThan(MOST_IN_BUFFERS)
    }
    received += chunk.length
  }
}

/** Resident memory of the proxy's process in kB. */
async function memory(): Promise<number> {
  const status = await readFile(`/proc/${cutover.process.pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
}

/** The most memory that the proxy grew by while `work` was under way, in kB. */
async function growthDuring(work: () => Promise<void>): Promise<number> {
  const before = await memory()
  let most = 0
  let isDone = false
  const watching = (async () => {
    while (!isDone) {
      most = Math.max(most, await memory())
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })()
  await work()
  isDone = true
  await watching
  return most - before
}

function connect(): net.Socket {
  return net.connect(Number(new URL(cutover.proxy).port), '127.0.0.1')
}

test('W10 1 GB down to a client that keeps stopping: the memory stays bounded', async () => {
  const growth = await growthDuring(async () => {
    const client = connect()
    client.write('GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n')
    await readWithStops(client)
  })
  expect(received).toBeGreaterThan(TOTAL)
  expect(growth).toBeLessThan(MOST_GROWTH_KB)
})

test('W10 1 GB up from a fast client to a server that keeps stopping: the memory stays bounded', async () => {
  const growth = await growthDuring(async () => {
    const client = connect()
    client.write(`POST / HTTP/1.1\r\nhost: app.test\r\ncontent-length: ${TOTAL}\r\n\r\n`)
    const answered = once(client, 'data')
    await writeAll(client, TOTAL)
    expect(String((await answered)[0])).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
    client.destroy()
  })
  expect(received).toBe(TOTAL)
  expect(growth).toBeLessThan(MOST_GROWTH_KB)
})
