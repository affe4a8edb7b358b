import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { connect, endAll, logged, metric, rawUpstream, startCutover } from './support.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const EARLY = 'HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\nx-hop: 1\r\nconnection: x-hop\r\n\r\n'

let cutover: Cutover
const arrived: RawConnection[] = []
const waiting: ((connection: RawConnection) => void)[] = []

/** The next connection that the proxy opens to the server. */
function accepted(): Promise<RawConnection> {
  const there = arrived.shift()
  return there === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(there)
}

beforeAll(async () => {
  const server = await rawUpstream((connection) => {
    const resolve = waiting.shift()
    if (resolve === undefined) arrived.push(connection)
    else resolve(connection)
  })
  // Every request on a connection of its own, so that each test has its own.
  cutover = await startCutover({ app: { servers: [server], connections: { keepAlive: '0s' } } })
})

afterAll(endAll)

const post = (target: string, more: string) => `POST ${target} HTTP/1.1\r\nhost: app.test\r\n${more}\r\n`
const expecting = (target: string, length = 4) => post(target, `expect: 100-continue\r\ncontent-length: ${length}\r\n`)

describe('W5 100-continue, end to end', () => {
  test('the server gets the header alone, and the client its 100 when the server says so, and not before', async () => {
    const client = await connect(cutover)
    client.send(expecting('/asked'))
    const server = await accepted()
    const head = await server.head()
    expect([head.startLine, head.field('expect'), head.field('content-length')]).toEqual([
      'POST /asked HTTP/1.1',
      '100-continue',
      '4',
    ])
    expect(client.hasMore).toBe(false)
    server.send(CONTINUE)
    expect((await client.head()).startLine).toBe('HTTP/1.1 100 Continue')
    client.send('body')
    expect((await server.bytes(4)).toString()).toBe('body')
    server.send(OK)
    expect((await client.response()).text).toBe('ok')
    // All was read: the connection goes on.
    client.send('GET /after HTTP/1.1\r\nhost: app.test\r\n\r\n')
    const next = await accepted()
    await next.request()
    next.send(OK)
    expect((await client.response()).status).toBe(200)
  })

  test('a chunked body, and a 100 said twice', async () => {
    const client = await connect(cutover)
    client.send(post('/chunked', 'Expect: 100-Continue\r\ntransfer-encoding: chunked\r\n'))
    const server = await accepted()
    await server.head()
    server.send(CONTINUE + CONTINUE)
    expect((await client.head()).status).toBe(100)
    client.send('4\r\nbody\r\n0\r\n\r\n')
    expect((await server.bytes(14)).toString()).toBe('4\r\nbody\r\n0\r\n\r\n'.slice(0, 14))
    server.send(OK)
    expect((await client.response()).status).toBe(200)
  })

  test('a server that wants no body is believed: its answer goes to the client, and the connection ends', async () => {
    const client = await connect(cutover)
    client.send(expecting('/denied', 5_000_000))
    const server = await accepted()
    await server.head()
    server.send('HTTP/1.1 417 Expectation Failed\r\ncontent-length: 2\r\n\r\nno')
    const response = await client.response()
    expect([response.status, response.text, response.field('connection')]).toEqual([417, 'no', 'close'])
    expect(await client.closed()).toBe('fin')
    expect(await server.closed()).not.toBe('framed')
    expect(await logged(cutover, '/denied')).toMatchObject({ status: 417, attempts: 1 })
    await until(async () => (await metric(cutover, 'cutover_requests_in_flight')) === 0, 2_000)
  })

  test('a client that does not wait is served all the same, and so is one whose server never says 100', async () => {
    const client = await connect(cutover)
    client.send(`${expecting('/impatient')}body`)
    const server = await accepted()
    await server.head()
    expect((await server.bytes(4)).toString()).toBe('body')
    server.send(OK)
    const response = await client.response()
    expect([response.status, response.text]).toEqual([200, 'ok'])
  })

  test('without a body there is nothing to wait for', async () => {
    const client = await connect(cutover)
    client.send(expecting('/bodiless', 0))
    const server = await accepted()
    expect((await server.head()).field('expect')).toBeUndefined()
    server.send(OK)
    expect((await client.response()).status).toBe(200)
  })

  test('an HTTP/1.0 client has not asked for anything', async () => {
    const client = await connect(cutover)
    client.send('POST /old HTTP/1.0\r\nhost: app.test\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\nbody')
    const server = await accepted()
    const request = await server.request()
    expect([request.text, request.field('expect')]).toEqual(['body', undefined])
    server.send(OK)
    expect((await client.response()).status).toBe(200)
  })

  test('a client that leaves while it waits takes its request with it', async () => {
    const client = await connect(cutover)
    client.send(expecting('/left'))
    const server = await accepted()
    await server.head()
    client.destroy()
    await server.closed()
    expect(await logged(cutover, '/left')).toMatchObject({ status: 499, error: 'client_gone' })
  })

  test('a server that answers nonsense, breaks off or says too much is a 502', async () => {
    for (const [i, said] of ['garbage\r\n\r\n', '', 'HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n'].entries()) {
      const client = await connect(cutover)
      client.send(expecting(`/bad-${i}`))
      const server = await accepted()
      await server.head()
      server.socket.end(said)
      expect((await client.response()).status).toBe(502)
    }
  })

  test('a connection that cannot be had leaves the body where it is', async () => {
    const other = await startCutover({ app: { servers: [{ port: 1 }] } })
    const client = await connect(other)
    client.send(expecting('/refused'))
    const response = await client.response()
    expect([response.status, response.field('connection')]).toEqual([502, 'close'])
  })
})

describe('W5 a 100 nobody asked for', () => {
  test.each([
    ['before the answer', (server: RawConnection) => server.send(CONTINUE + OK)],
    ['more than once', (server: RawConnection) => server.send(CONTINUE.repeat(3) + OK)],
    ['with fields', (server: RawConnection) => server.send(`HTTP/1.1 100 Go On\r\nx-a: 1\r\n\r\n${OK}`)],
    ['by itself', (server: RawConnection) => sendInTurn(server, [CONTINUE, OK])],
    ['in pieces', (server: RawConnection) => sendInTurn(server, [...(CONTINUE + OK)])],
    ['around a 103', (server: RawConnection) => server.send(CONTINUE + EARLY + CONTINUE + OK)],
  ])('is swallowed %s', async (how, say) => {
    const client = await connect(cutover)
    client.send(`${post(`/unasked-${how.replaceAll(' ', '-')}`, 'content-length: 4\r\n')}body`)
    const server = await accepted()
    await server.request()
    await say(server)
    let response = await client.response()
    if (how === 'around a 103') {
      expect(response.status).toBe(103)
      response = await client.response()
    }
    expect([response.status, response.text]).toEqual([200, 'ok'])
  })

  test('in an answer it is what it is', async () => {
    const client = await connect(cutover)
    client.send('GET /within HTTP/1.1\r\nhost: app.test\r\n\r\n')
    const server = await accepted()
    await server.request()
    await sendInTurn(server, [`HTTP/1.1 200 OK\r\ncontent-length: ${CONTINUE.length}\r\n\r\n`, CONTINUE])
    expect((await client.response()).text).toBe(CONTINUE)
  })
})

describe('W5 103', () => {
  test('goes on to the client at once, without what is meant for this hop', async () => {
    const client = await connect(cutover)
    client.send('GET /hints HTTP/1.1\r\nhost: app.test\r\n\r\n')
    const server = await accepted()
    await server.request()
    server.send(EARLY)
    const hints = await client.head()
    expect([hints.status, hints.field('link'), hints.field('x-hop')]).toEqual([103, '</a.css>; rel=preload', undefined])
    server.send(EARLY + OK)
    expect((await client.head()).status).toBe(103)
    expect((await client.response()).text).toBe('ok')
  })

  test('does not go to HTTP/1.0', async () => {
    const client = await connect(cutover)
    client.send('GET /old-hints HTTP/1.0\r\nhost: app.test\r\n\r\n')
    const server = await accepted()
    await server.request()
    server.send(EARLY + OK)
    expect((await client.response()).status).toBe(200)
  })

  test('does not come before its turn to a client that pipelines', async () => {
    const client = await connect(cutover)
    const get = (target: string) => `GET ${target} HTTP/1.1\r\nhost: app.test\r\n\r\n`
    client.send(get('/first') + get('/second'))
    const server = await accepted()
    expect((await server.request()).startLine).toContain('/first')
    // The second request is sent after the first answer.
    expect(server.hasMore).toBe(false)
    server.send(OK)
    expect((await client.response()).text).toBe('ok')
    const next = await accepted()
    expect((await next.request()).startLine).toContain('/second')
    next.send(EARLY + OK)
    expect((await client.response()).status).toBe(103)
    expect((await client.response()).text).toBe('ok')
  })

  test('without end is no answer', async () => {
    const client = await connect(cutover)
    client.send('GET /endless HTTP/1.1\r\nhost: app.test\r\n\r\n')
    const server = await accepted()
    await server.request()
    server.send(EARLY.repeat(40))
    let response = await client.response()
    while (response.status === 103) response = await client.response()
    expect(response.status).toBe(502)
  })
})

/** Each piece in a segment of its own. */
async function sendInTurn(server: RawConnection, pieces: readonly string[]): Promise<void> {
  for (const piece of pieces) {
    await new Promise<void>((resolve) => server.socket.write(piece, () => resolve()))
    await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
