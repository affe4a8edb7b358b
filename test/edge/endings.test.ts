import { once } from 'node:events'
import { type AddressInfo, connect as connectPlain, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { Edge, GET, secureTo } from './support.ts'

/** Type of a TLS record that carries an alert, which TLS 1.2 does not hide. */
const ALERT = 21
const PIECE = 'seven b'

let edge: Edge
let gone = 0
beforeAll(async () => {
  edge = await Edge.start({
    handler: async (request, response) => {
      const { url = '' } = request
      const { socket } = response
      if (url === '/slow') {
        request.on('close', () => response.writableFinished || gone++)
        await new Promise((resolve) => setTimeout(resolve, 300))
        response.end('slow')
      } else if (url === '/never') request.socket.on('close', () => gone++)
      else if (url === '/whole') socket?.end(`HTTP/1.1 200 OK\r\n\r\n${PIECE}`)
      else if (url === '/length') socket?.end(`HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n${PIECE}`)
      else if (url === '/chunked') socket?.end(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n7\r\n${PIECE}\r\n`)
      else if (url === '/unframed') socket?.write(`HTTP/1.1 200 OK\r\n\r\n${PIECE}`, () => socket?.resetAndDestroy())
      else response.end('upstream')
    },
  })
})
afterAll(() => edge.stop())

/** What a client of TLS 1.2 sees, from the request to the end of the connection. */
interface Ending {
  readonly text: string
  /** Whether the last record was an alert, so that the end of the connection is no break. */
  readonly isClosed: boolean
}

async function endOf(request: string): Promise<Ending> {
  const records: Buffer[] = []
  const tap: Server = createServer((client) => {
    const server = connectPlain(edge.port, '127.0.0.1')
    server.on('data', (bytes: Buffer) => records.push(bytes))
    client.on('error', () => server.destroy())
    server.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.pipe(server)
    server.pipe(client)
  })
  tap.listen(0, '127.0.0.1')
  await once(tap, 'listening')
  const socket = await secureTo((tap.address() as AddressInfo).port, { maxVersion: 'TLSv1.2', allowHalfOpen: true })
  const client = new RawConnection(socket)
  client.send(request)
  const text = await client.rest()
  socket.destroy()
  tap.close()
  return { text, isClosed: typesOf(Buffer.concat(records)).at(-1) === ALERT }
}

/** Types of the TLS records in a stream. */
function typesOf(stream: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at + 5 <= stream.length; at += 5 + stream.readUInt16BE(at + 3)) types.push(stream[at] as number)
  return types
}

describe('the end of a response', () => {
  test('that is delimited by the end of the connection is told apart from a break', async () => {
    const whole = await endOf('GET /whole HTTP/1.0\r\nHost: a\r\n\r\n')
    expect([whole.text.endsWith(PIECE), whole.isClosed]).toEqual([true, true])
    const broken = await endOf('GET /unframed HTTP/1.0\r\nHost: a\r\n\r\n')
    expect([broken.text.startsWith('HTTP/1.1 200'), broken.isClosed]).toEqual([true, false])
  })

  test('with Connection: close is one that a client can trust', async () => {
    const { text, isClosed } = await endOf('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
    expect([text.endsWith('upstream'), isClosed]).toEqual([true, true])
  })

  test.each(['/length', '/chunked'])('that breaks off shows in its framing: %s', async (path) => {
    const client = await edge.raw()
    const answer = await client.ask([`GET ${path} HTTP/1.1`, 'Host: a'])
    expect([answer.status, answer.text]).toEqual([200, PIECE])
    expect(answer.ending).not.toBe('framed')
    client.destroy()
  })
})

test('a client that ends its side gets its answer', async () => {
  const client = new RawConnection(await secureTo(edge.port, { allowHalfOpen: true }))
  client.send('GET /slow HTTP/1.1\r\nHost: a\r\n\r\n')
  client.socket.end()
  for (;;) {
    const answer = await client.response()
    if (answer.status === 102) continue
    expect([answer.status, answer.text]).toEqual([200, 'slow'])
    break
  }
  expect(await client.closed()).toBe('fin')
})

test('a client that leaves cancels its request', async () => {
  const before = gone
  const client = await edge.raw()
  client.send('GET /never HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(() => edge.server.requests.some(({ url }) => url === '/never'))
  client.destroy()
  await until(() => gone > before)
  await edge.cutover.printed(/"target":"\/never","status":499/)
})

test('a body that the client breaks off is broken off to the server', async () => {
  const client = await edge.raw()
  client.send('POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf')
  await until(() => edge.server.requests.some(({ method }) => method === 'POST'))
  const before = gone
  client.socket.end()
  await until(() => gone > before)
  client.destroy()
})

test('requests and answers a byte at a time', async () => {
  const client = await edge.raw()
  for (const byte of 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\none by one..') {
    client.send(byte)
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect((await client.response()).text).toBe('upstream')
  client.destroy()
})

test('pipelined requests are answered in their order', async () => {
  const client = await edge.raw()
  client.send(Array.from({ length: 200 }, (_, i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''))
  const seen = edge.server.requests.length
  for (let i = 0; i < 200; i++) expect((await client.response()).status).toBe(200)
  expect(edge.server.requests.slice(seen).map(({ url }) => url)).toEqual(Array.from({ length: 200 }, (_, i) => `/${i}`))
  client.destroy()
})

test('an idle connection is closed in good order, and bytes that are no TLS end it', async () => {
  const client = await edge.raw()
  expect((await client.ask(GET)).status).toBe(200)
  const plain = connectPlain(edge.port, '127.0.0.1')
  await once(plain, 'connect')
  plain.on('error', () => undefined)
  plain.write('\x17\x03\x03\0\x05hello')
  await once(plain.resume(), 'close')
  expect((await client.ask(GET)).status).toBe(200)
  client.destroy()
  expect(edge.cutover.stderr).not.toMatch(/unexpected error/)
})
