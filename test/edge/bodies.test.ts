import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { residentBytes } from '../support/processes.ts'
import { binary, inChunks } from '../support/raw-client.ts'
import { standstill } from '../support/standstill.ts'
import { until } from '../support/until.ts'
import { Edge } from './support.ts'

const TOTAL = 256 * 1024 * 1024
const CHUNK = Buffer.alloc(1 << 20, 'x')
/** What all the buffers between a writer and a reader that has stopped may hold, the kernel's included. */
const MOST_UNDER_WAY = 64 * 1024 * 1024
const MOST_GROWTH = 48 * 1024 * 1024

let edge: Edge
let sent = 0
let received = 0
let isHeld = true
beforeAll(async () => {
  edge = await Edge.start({
    service: { timeouts: { response: 0, idle: 0 } },
    handler: async (request, response) => {
      if (request.url === '/down') {
        response.setHeader('content-length', TOTAL)
        for (sent = 0; sent < TOTAL; sent += CHUNK.length) if (!response.write(CHUNK)) await once(response, 'drain')
        response.end()
      } else if (request.url === '/up') {
        await until(() => !isHeld)
        for await (const chunk of request) received += chunk.length
        response.end(String(received))
      } else {
        const hash = createHash('sha256')
        for await (const chunk of request) hash.update(chunk)
        response.end(hash.digest('hex'))
      }
    },
  })
})
afterAll(() => edge.stop())

test('a large body down to a reader that stops: memory stays bounded, and all of it comes', async () => {
  const pid = edge.cutover.process.pid as number
  const socket = await edge.secure()
  socket.write('GET /down HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const before = residentBytes(pid)
  await standstill(() => sent)
  expect(sent).toBeLessThan(MOST_UNDER_WAY)
  expect(residentBytes(pid) - before).toBeLessThan(MOST_GROWTH)
  let bytes = 0
  socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  await once(socket, 'end')
  expect(bytes).toBeGreaterThan(TOTAL)
  expect(bytes).toBeLessThan(TOTAL + 2_000)
  expect(residentBytes(pid) - before).toBeLessThan(2 * MOST_GROWTH)
  socket.destroy()
})

test('a large body up to a server that does not read: memory stays bounded, and all of it arrives', async () => {
  const pid = edge.cutover.process.pid as number
  const client = await edge.raw()
  client.send(`POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: ${TOTAL}\r\n\r\n`)
  const before = residentBytes(pid)
  let written = 0
  const writing = (async () => {
    for (; written < TOTAL; written += CHUNK.length) if (!client.socket.write(CHUNK)) await once(client.socket, 'drain')
  })()
  await standstill(() => written)
  expect(written).toBeLessThan(MOST_UNDER_WAY)
  expect(residentBytes(pid) - before).toBeLessThan(MOST_GROWTH)
  isHeld = false
  await writing
  expect((await client.response()).text).toBe(String(TOTAL))
  client.destroy()
})

test.each([1, 100, 16_384, 16_385, 70_000, 5_000_000])(
  'bodies of %i bytes arrive whole, by length and in chunks',
  async (length) => {
    const body = binary(length)
    const hash = createHash('sha256').update(body).digest('hex')
    const client = await edge.raw()
    const byLength = await client.ask(['POST /hash HTTP/1.1', 'Host: a', `Content-Length: ${length}`], body)
    expect(byLength.text).toBe(hash)
    const chunked = inChunks(body, 3_000)
    const inPieces = await client.ask(['POST /hash HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked'], chunked)
    expect(inPieces.text).toBe(hash)
    client.destroy()
  },
)
