import { request as requestHttp1 } from 'node:http'
import type { ServerHttp2Stream } from 'node:http2'
import { buffer } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { atEndOfFile } from '../support/endings.ts'
import { Client2, startUpstream2 } from '../support/http2.ts'
import { binary, inChunks, RawConnection } from '../support/raw-client.ts'
import { startUpstream } from '../support/upstream.ts'
import { logged, servicesOf } from './support.ts'

const BODY = binary(300_000)
let cutover: Cutover
let client: Client2

/** What both servers do, each in its own words. */
interface Exchange {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: Promise<Buffer>
  trailers(): Readonly<Record<string, unknown>>
  answer(
    status: number,
    headers: Record<string, string>,
    body: Buffer | string,
    trailers?: Record<string, string>,
  ): void
}

async function serve(exchange: Exchange): Promise<void> {
  const { path, method, headers } = exchange
  switch (path) {
    case '/echo': {
      const body = await exchange.body
      const trailers = JSON.stringify(exchange.trailers())
      exchange.answer(200, { 'x-trailers': trailers, 'content-length': String(body.length) }, body)
      break
    }
    case '/echo-unknown':
      exchange.answer(200, {}, await exchange.body)
      break
    case '/trailers':
      exchange.answer(200, { trailer: 'x-sum' }, 'abc', { 'x-sum': '6' })
      break
    case '/204':
      exchange.answer(204, {}, '')
      break
    case '/304':
      exchange.answer(304, { etag: '"a"', 'content-length': '5' }, '')
      break
    case '/empty':
      exchange.answer(200, {}, '')
      break
    default: {
      await exchange.body
      exchange.answer(200, { 'content-type': 'application/json' }, JSON.stringify({ method, path, headers }))
    }
  }
}

function stream2(stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>): Exchange {
  let trailers = {}
  stream.on('trailers', (given) => {
    trailers = { ...given }
  })
  return {
    method: String(headers[':method']),
    path: String(headers[':path']),
    headers,
    body: buffer(stream),
    trailers: () => trailers,
    answer: (status, fields, body, sent) => {
      stream.respond({ ':status': status, ...fields }, { waitForTrailers: sent !== undefined })
      if (sent !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(sent))
      stream.end(body)
    },
  }
}

beforeAll(async () => {
  const one = await startUpstream((request, response) => {
    const { method = '', url = '', headers } = request
    void serve({
      method,
      path: url,
      headers,
      body: buffer(request),
      trailers: () => request.trailers,
      answer: (status, fields, body, sent) => {
        response.writeHead(status, fields)
        // In two pieces, so that the server does not state a length by itself.
        if (body.length > 0) response.write(body)
        if (sent !== undefined) response.addTrailers(sent)
        response.end()
      },
    })
  })
  const two = await startUpstream2((stream, headers) => void serve(stream2(stream, headers)))
  const services = servicesOf({ one: { servers: [one] }, two: { servers: [two] } })
  cutover = await Cutover.start({ services, proxy: { listen: [{ address: '127.0.0.1:0', h2c: true }] } })
  client = await Client2.connect(cutover.proxy)
  atEndOfFile(async () => {
    client.close()
    await cutover.stop('SIGKILL')
    await one.close()
    await two.close()
  })
})

describe.each(['one', 'two'])('a client of HTTP/2, and a server of HTTP/%s', (service) => {
  test('method, path, query and host reach the server as they were sent', async () => {
    const path = `/${service}/a%2Fb//c/./d?x=a;b&y=%x&z={}`
    const answer = await client.ask({ ':path': path, ':method': 'GET', ':authority': 'shop.test:81', 'x-a': 'b' })
    const seen = JSON.parse(String(answer.body))
    expect(seen).toMatchObject({ method: 'GET', path: '/a%2Fb//c/./d?x=a;b&y=%x&z={}' })
    expect(seen.headers.host ?? seen.headers[':authority']).toBe('shop.test:81')
    expect(seen.headers).toMatchObject({ 'x-a': 'b', 'x-forwarded-host': 'shop.test:81', via: '2.0 cutover' })
    // A request without a body must not become one with chunks.
    expect(seen.headers['transfer-encoding']).toBe(undefined)
    expect(seen.headers['content-length']).toBe(undefined)
    expect(answer.status).toBe(200)
    expect(answer.headers.via).toBe(service === 'one' ? '1.1 cutover' : '2.0 cutover')
    expect(await logged(cutover, path)).toMatchObject({ status: 200, method: 'GET', host: 'shop.test:81' })
  })

  test('crumbs of cookies become one field', async () => {
    const { body } = await client.get(`/${service}/`, { cookie: ['a=1', 'b=2', 'c=3'] })
    expect(JSON.parse(String(body)).headers.cookie).toBe('a=1; b=2; c=3')
  })

  test('bodies with a length and without one come back byte for byte', async () => {
    const sized = await client.ask(
      { ':path': `/${service}/echo`, ':method': 'POST', 'content-length': BODY.length },
      BODY,
    )
    expect([sized.status, sized.headers['content-length'], sized.reset]).toEqual([200, String(BODY.length), 0])
    expect(sized.body.equals(BODY)).toBe(true)
    const unsized = await client.ask({ ':path': `/${service}/echo-unknown`, ':method': 'PUT' }, BODY)
    expect([unsized.status, unsized.headers['content-length'], unsized.reset]).toEqual([200, undefined, 0])
    expect(unsized.body.equals(BODY)).toBe(true)
  })

  test('a body of length 0 that is announced, and an empty one that is not', async () => {
    const path = `/${service}/echo`
    expect((await client.ask({ ':path': path, ':method': 'POST', 'content-length': 0 }, '')).status).toBe(200)
    expect((await client.ask({ ':path': path, ':method': 'POST' }, '')).body.length).toBe(0)
  })

  test('trailers pass both ways', async () => {
    const path = `/${service}/echo`
    const sent = await client.ask({ ':path': path, ':method': 'POST', trailer: 'x-sum' }, 'abc', { 'x-sum': '3' })
    expect(JSON.parse(String(sent.headers['x-trailers']))).toEqual({ 'x-sum': '3' })
    const received = await client.get(`/${service}/trailers`)
    expect([String(received.body), received.trailers['x-sum'], received.headers.trailer]).toEqual(['abc', '6', 'x-sum'])
  })

  test('HEAD, 204 and 304 have no body', async () => {
    const head = await client.ask({ ':path': `/${service}/`, ':method': 'HEAD' })
    expect([head.status, head.body.length, head.reset]).toEqual([200, 0, 0])
    const none = await client.get(`/${service}/204`)
    expect([none.status, none.body.length, none.reset]).toEqual([204, 0, 0])
    const unchanged = await client.get(`/${service}/304`)
    expect([unchanged.status, unchanged.headers.etag, unchanged.reset]).toEqual([304, '"a"', 0])
    const empty = await client.get(`/${service}/empty`)
    expect([empty.status, empty.body.length, empty.reset]).toEqual([200, 0, 0])
  })

  test('a hundred requests at once get their own answers', async () => {
    const paths = Array.from({ length: 100 }, (_, i) => `/r${i}`)
    const answers = await Promise.all(paths.map((path) => client.get(`/${service}${path}`)))
    expect(answers.map(({ body }) => JSON.parse(String(body)).path)).toEqual(paths)
  })
})

describe('a client of HTTP/1.1, and a server of HTTP/2', () => {
  test('bodies with a length and in chunks come back byte for byte', async () => {
    for (const head of [`content-length: ${BODY.length}`, 'transfer-encoding: chunked']) {
      const connection = await RawConnection.connect(cutover.proxy)
      const lines = ['POST /two/echo-unknown HTTP/1.1', 'host: a.test', head]
      const body = head.startsWith('transfer') ? inChunks(BODY, 7_000) : BODY
      const answer = await connection.ask(lines, body)
      expect([answer.status, answer.ending, answer.field('transfer-encoding')]).toEqual([200, 'framed', 'chunked'])
      expect(answer.body.equals(BODY)).toBe(true)
      connection.destroy()
    }
  })

  test('trailers pass both ways', async () => {
    const connection = await RawConnection.connect(cutover.proxy)
    const lines = ['POST /two/echo HTTP/1.1', 'host: a.test', 'transfer-encoding: chunked', 'trailer: x-sum']
    const answer = await connection.ask(lines, '3\r\nabc\r\n0\r\nx-sum: 3\r\n\r\n')
    expect(JSON.parse(answer.field('x-trailers') ?? '')).toEqual({ 'x-sum': '3' })
    const received = await connection.ask(['GET /two/trailers HTTP/1.1', 'host: a.test'])
    expect([received.text, received.trailers]).toEqual(['abc', [['x-sum', '6']]])
    connection.destroy()
  })

  test('responses that end with their head say that nothing follows, and the connection goes on', async () => {
    const connection = await RawConnection.connect(cutover.proxy)
    const empty = await connection.ask(['GET /two/empty HTTP/1.1', 'host: a.test'])
    expect([empty.status, empty.text, empty.ending]).toEqual([200, '', 'framed'])
    expect((await connection.ask(['GET /two/204 HTTP/1.1', 'host: a.test'])).field('content-length')).toBe(undefined)
    expect((await connection.ask(['GET /two/304 HTTP/1.1', 'host: a.test'])).status).toBe(304)
    expect((await connection.ask(['HEAD /two/ HTTP/1.1', 'host: a.test'])).status).toBe(200)
    expect((await connection.ask(['GET /two/ HTTP/1.1', 'host: a.test'])).startLine).toBe('HTTP/1.1 200 OK')
    connection.destroy()
  })

  test('Host reaches the server as :authority', async () => {
    const { port } = new URL(cutover.proxy)
    const body = await new Promise<Buffer>((resolve) => {
      requestHttp1({ port, path: '/two/', headers: { host: 'shop.test' } }, (response) =>
        resolve(buffer(response)),
      ).end()
    })
    expect(JSON.parse(String(body)).headers).toMatchObject({ ':authority': 'shop.test', via: '1.1 cutover' })
  })
})
