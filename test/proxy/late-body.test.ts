import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { standstill } from '../support/standstill.ts'
import type { Listening } from '../support/upstream.ts'
import { connect, endAll, logged, rawUpstream, startCutover } from './support.ts'

const KEPT = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
// A connection of its own for every request, so that each begins with its head.
const OK = KEPT.replace('\r\n\r\n', '\r\nconnection: close\r\n\r\n')
const FRAMINGS = [
  ['with its length', 'content-length: 4', 'body'],
  ['in chunks', 'transfer-encoding: chunked', '4\r\nbody\r\n0\r\n\r\n'],
] as const

let cutover: Cutover
let server: Listening
/** Connections on which a head has come, in order, each with its head. */
const heads: [RawConnection, string][] = []
const waiting: ((head: [RawConnection, string]) => void)[] = []

/** The next request whose head reaches the server; what follows the head has not been read yet. */
function nextHead(): Promise<[RawConnection, string]> {
  const there = heads.shift()
  return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there)
}

beforeAll(async () => {
  server = await rawUpstream(async (connection) => {
    const head = await connection.head().catch(() => null)
    if (head === null) return
    const found: [RawConnection, string] = [connection, head.startLine]
    const resolve = waiting.shift()
    if (resolve === undefined) heads.push(found)
    else resolve(found)
  })
  cutover = await startCutover({
    app: { servers: [server], timeouts: { response: '1s' }, retry: { attempts: 3, methods: ['POST'] } },
  })
})

afterAll(endAll)

function post(target: string, framing: string): string {
  return `POST ${target} HTTP/1.1\r\nhost: app.test\r\n${framing}\r\n\r\n`
}

describe('a body that keeps its head waiting', () => {
  test.each(FRAMINGS)(
    '%s: the server gets the head at once, then the body, and all of it once',
    async (_how, framing, body) => {
      const client = await connect(cutover)
      client.send(post('/late', framing))
      const [connection, startLine] = await nextHead()
      expect([startLine, connection.hasMore]).toEqual(['POST /late HTTP/1.1', false])
      client.send(body)
      expect((await connection.bytes(body.length)).toString()).toBe(body)
      connection.send(OK)
      expect((await client.response()).text).toBe('ok')
      expect(heads).toEqual([])
      expect(await logged(cutover, '/late')).toMatchObject({ status: 200, attempts: 1 })
    },
  )

  test('the server may answer before it comes', async () => {
    const client = await connect(cutover)
    client.send(post('/early', FRAMINGS[0][1]))
    const [connection] = await nextHead()
    connection.send('HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno')
    const answer = await client.response()
    expect([answer.status, answer.text]).toEqual([403, 'no'])
  })

  test('the time that the client takes is not held against the server', async () => {
    const client = await connect(cutover)
    client.send(post('/slow', FRAMINGS[0][1]))
    const [connection] = await nextHead()
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    client.send('body')
    await connection.bytes(4)
    connection.send(OK)
    expect((await client.response()).status).toBe(200)
  })

  test('a server that does not answer once it has it is given up after timeouts.response', async () => {
    const client = await connect(cutover)
    client.send(post('/silent', FRAMINGS[0][1]))
    await nextHead()
    client.send('body')
    expect((await client.response()).status).toBe(504)
  })

  test.each(['', 'expect: 100-continue\r\n'])(
    'an upload may take longer than timeouts.response (%j)',
    async (expectation) => {
      const client = await connect(cutover)
      client.send(post('/long', `${expectation}content-length: 30`))
      const [connection] = await nextHead()
      if (expectation !== '') {
        connection.send('HTTP/1.1 100 Continue\r\n\r\n')
        expect((await client.response()).status).toBe(100)
      }
      for (let i = 0; i < 15; i++) {
        client.send('ab')
        await new Promise((resolve) => setTimeout(resolve, 100))
      }
      await connection.bytes(30)
      connection.send(OK)
      expect((await client.response()).status).toBe(200)
    },
  )

  test('a server that takes the rest of a body late, and does not answer, is given up', async () => {
    const client = await connect(cutover)
    const length = 20_000_000
    client.send(post('/full', `content-length: ${length}`))
    const [connection] = await nextHead()
    connection.socket.pause()
    client.send(Buffer.alloc(length))
    await standstill(() => client.socket.writableLength)
    connection.socket.resume()
    expect((await client.response()).status).toBe(504)
  })

  test('a client that leaves takes the request with it', async () => {
    const client = await connect(cutover)
    client.send(post('/left', FRAMINGS[0][1]))
    const [connection] = await nextHead()
    client.destroy()
    await connection.closed()
    expect(await logged(cutover, '/left')).toMatchObject({ error: 'client_gone', attempts: 1 })
  })
})

test('a body that comes with its head, or right behind it, goes over kept connections', async () => {
  const client = await connect(cutover)
  client.send(`${post('/first', FRAMINGS[0][1])}body`)
  const [connection] = await nextHead()
  await connection.bytes(4)
  connection.send(KEPT)
  expect((await client.response()).status).toBe(200)
  const accepted = server.accepted
  for (const split of [0, 4]) {
    client.send(post('/next', FRAMINGS[0][1]) + 'body'.slice(split))
    if (split > 0) client.send('body')
    expect((await connection.head()).startLine).toBe('POST /next HTTP/1.1')
    await connection.bytes(4)
    connection.send(KEPT)
    expect((await client.response()).status).toBe(200)
  }
  expect(server.accepted).toBe(accepted)
})
