import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { binary, inChunks, type RawConnection } from '../support/raw-client.ts'
import { ask, connect, endAll, speaking, startCutover } from './support.ts'

/** On both sides of 16 KiB, where short bodies that are sent with their head end. */
const LENGTHS = [0, 1, 255, 256, 16_383, 16_384, 16_385, 65_536, 3_000_000]

let cutover: Cutover
let server: Awaited<ReturnType<typeof speaking>>
/** What the server of bodiless answers is to say. */
let bodiless = ''
/** Its connections, in the order of requests. */
const servedBy: RawConnection[] = []

beforeAll(async () => {
  server = await speaking((request, { socket }) => {
    const [, path = ''] = request.startLine.split(' ')
    const [, what, length = '0'] = path.split('/')
    const body = binary(Number(length))
    const head = 'HTTP/1.1 200 OK\r\nconnection: keep-alive\r\n'
    switch (what) {
      case 'length':
        return Buffer.concat([Buffer.from(`${head}content-length: ${length}\r\n\r\n`), body])
      case 'late':
        // The body in a segment of its own, and a good while after the head.
        socket.write(`${head}content-length: ${length}\r\n\r\n`)
        setTimeout(() => socket.write(body), 20)
        return undefined
      case 'torn':
        // The head ends in the middle of the body.
        socket.write(Buffer.concat([Buffer.from(`${head}content-length: ${length}\r\n\r\n`), body.subarray(0, 100)]))
        setTimeout(() => socket.write(body.subarray(100)), 20)
        return undefined
      case 'chunked':
        return Buffer.concat([Buffer.from(`${head}transfer-encoding: chunked\r\n\r\n`), inChunks(body, 9_999)])
      case 'close':
        socket.end(Buffer.concat([Buffer.from('HTTP/1.1 200 OK\r\n\r\n'), body]))
        return undefined
      case 'http10':
        socket.end(Buffer.concat([Buffer.from('HTTP/1.0 200 OK\r\n\r\n'), body]))
        return undefined
      case 'echo':
        return Buffer.concat([Buffer.from(`${head}content-length: ${request.body.length}\r\n\r\n`), request.body])
      default:
        return 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n'
    }
  })
  const bodilessServer = await speaking((request, connection) => {
    servedBy.push(connection)
    return request.startLine.includes('/next') ? 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nnext' : bodiless
  })
  cutover = await startCutover({ app: { servers: [server] }, bodiless: { servers: [bodilessServer] } })
})

afterAll(endAll)

describe.each(['length', 'late', 'torn', 'chunked', 'close', 'http10'])('a response body (%s)', (what) => {
  test('arrives byte for byte, whatever its length, over one connection', async () => {
    const client = await connect(cutover)
    for (const length of LENGTHS) {
      const response = await client.ask([`GET /${what}/${length} HTTP/1.1`, 'host: app.test'])
      expect([length, response.status, response.ending]).toEqual([length, 200, 'framed'])
      expect(response.body.equals(binary(length))).toBe(true)
      const framing = [response.field('content-length'), response.field('transfer-encoding')]
      const hasLength = ['length', 'late', 'torn'].includes(what)
      expect(framing).toEqual(hasLength ? [String(length), undefined] : [undefined, 'chunked'])
    }
    expect(client.hasMore).toBe(false)
  })

  test('arrives at an HTTP/1.0 client without chunks, and the connection ends', async () => {
    for (const length of [0, 300, 20_000]) {
      const client = await connect(cutover)
      const response = await client.ask([`GET /${what}/${length} HTTP/1.0`, 'host: app.test'])
      expect([length, response.status, response.field('transfer-encoding')]).toEqual([length, 200, undefined])
      expect(response.body.equals(binary(length))).toBe(true)
      expect(await client.closed()).toBe('fin')
    }
  })
})

describe('a request body', () => {
  test.each(['content-length', 'chunked'])('arrives byte for byte, whatever its length (%s)', async (framing) => {
    const client = await connect(cutover)
    for (const length of LENGTHS) {
      const body = binary(length)
      const isChunked = framing === 'chunked'
      const field = isChunked ? 'transfer-encoding: chunked' : `content-length: ${length}`
      const lines = ['POST /echo HTTP/1.1', 'host: app.test', field]
      const response = await client.ask(lines, isChunked ? inChunks(body, 9_999) : body)
      expect([response.status, response.body.equals(body)]).toEqual([200, true])
      const got = server.requests.at(-1)
      expect(got?.body.equals(body)).toBe(true)
      expect([got?.field('content-length'), got?.field('transfer-encoding')]).toEqual(
        isChunked ? [undefined, 'chunked'] : [String(length), undefined],
      )
    }
    expect(client.hasMore).toBe(false)
  })

  test('of a POST without any stays away', async () => {
    await ask(cutover, ['POST /length/1 HTTP/1.1', 'host: app.test'])
    const got = server.requests.at(-1)
    expect([got?.field('transfer-encoding'), got?.body.length]).toEqual([undefined, 0])
  })

  test('of a GET goes upstream too', async () => {
    const response = await ask(cutover, ['GET /echo HTTP/1.1', 'host: app.test', 'content-length: 4'], 'body')
    expect([response.text, server.requests.at(-1)?.text]).toEqual(['body', 'body'])
  })
})

describe('W4 a response without a body leaves both connections fit for the next request', () => {
  const keep = 'connection: keep-alive\r\n'

  test.each([
    ['HEAD', `200 OK\r\n${keep}content-length: 500`, '500', true],
    ['HEAD', `200 OK\r\n${keep}content-length: 0`, '0', true],
    ['HEAD', `200 OK\r\n${keep}transfer-encoding: chunked`, undefined, true],
    ['HEAD', '404 Not Found\r\nconnection: keep-alive', undefined, true],
    ['GET', '204 No Content', undefined, true],
    ['DELETE', '204 No Content', undefined, true],
    ['GET', '205 Reset Content\r\ncontent-length: 0', '0', true],
    ['GET', '304 Not Modified\r\netag: "1"', undefined, true],
    // The server's connection is given up: what such a server sends next could be a body.
    ['GET', '304 Not Modified\r\netag: "1"\r\ncontent-length: 500', '500', false],
    ['HEAD', `304 Not Modified\r\n${keep}content-length: 500`, '500', true],
  ])('%s answered by %j', async (method, head, length, isKept) => {
    bodiless = `HTTP/1.1 ${head}\r\n\r\n`
    const client = await connect(cutover)
    const response = await client.ask([`${method} /none HTTP/1.1`, 'host: bodiless.test'])
    expect([response.status, response.field('content-length')]).toEqual([Number(head.slice(0, 3)), length])
    expect(response.field('connection')).toBe('keep-alive')
    const next = await client.ask(['GET /next HTTP/1.1', 'host: bodiless.test'])
    expect([next.status, next.text, client.hasMore]).toEqual([200, 'next', false])
    expect(servedBy.at(-1) === servedBy.at(-2)).toBe(isKept)
  })

  test('a 304 with a length says so to an HTTP/1.0 client as well', async () => {
    bodiless = 'HTTP/1.1 304 Not Modified\r\ncontent-length: 500\r\n\r\n'
    const client = await connect(cutover)
    const response = await client.ask(['GET /none HTTP/1.0', 'host: bodiless.test'])
    expect([response.status, response.field('content-length'), await client.rest()]).toEqual([304, '500', ''])
  })
})
