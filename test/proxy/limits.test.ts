import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { connect, endAll, metric, startCutover, upstream } from './support.ts'

afterAll(endAll)

const HOST = 'Host: app.test'

describe('limits of a client', () => {
  let cutover: Cutover
  let server: Awaited<ReturnType<typeof upstream>>

  beforeAll(async () => {
    server = await upstream((request, response) => {
      request.resume().on('end', () => response.end('taken'))
    })
    const limits = { bodyBytes: 1000, connections: 3, requestsPerConnection: 3 }
    cutover = await startCutover({ app: { servers: [server] } }, { proxy: { limits, timeouts: { idleBody: '300ms' } } })
  })

  beforeEach(() => {
    server.requests.length = 0
  })

  test('a body of the limit passes; one byte more is 413, and its length alone sends nothing upstream', async () => {
    const client = await connect(cutover)
    client.send(`POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(1000)}`)
    expect((await client.response()).text).toBe('taken')
    server.requests.length = 0
    client.send(`POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 1001\r\n\r\n`)
    expect((await client.response()).status).toBe(413)
    expect(await client.rest()).toBe('')
    expect(server.requests).toEqual([])
    client.destroy()
  })

  test('a chunked body is 413 once it has become too long, and is broken off upstream', async () => {
    const client = await connect(cutover)
    client.send(`POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${'x'.repeat(1000)}\r\n`)
    await server.arrived(1)
    client.send('1\r\nx\r\n')
    expect((await client.response()).status).toBe(413)
    await client.closed()
    client.destroy()
  })

  test('a body that stops coming is 408', async () => {
    const client = await connect(cutover)
    const since = performance.now()
    client.send(`POST / HTTP/1.1\r\n${HOST}\r\nContent-Length: 10\r\n\r\nhalf`)
    expect((await client.response()).status).toBe(408)
    expect(performance.now() - since).toBeGreaterThan(280)
    expect(performance.now() - since).toBeLessThan(2_000)
    await client.closed()
    client.destroy()
  })

  test('past the number of requests the connection is closed, and says so', async () => {
    const client = await connect(cutover)
    const ask = () => client.ask(['GET / HTTP/1.1', HOST])
    expect((await ask()).field('connection')).toBe('keep-alive')
    await ask()
    expect((await ask()).field('connection')).toBe('close')
    await client.closed()
    client.destroy()
  })

  test('past the number of connections the next one is closed, and another gets in once one has left', async () => {
    // Those of the tests before have gone.
    await until(async () => (await metric(cutover, 'cutover_connections', 'listener="127.0.0.1:')) === 0, 5_000)
    const clients = await Promise.all([1, 2, 3].map(() => connect(cutover)))
    for (const client of clients) expect((await client.ask(['GET / HTTP/1.1', HOST])).text).toBe('taken')
    const fourth = await connect(cutover)
    await fourth.closed()
    clients[0]?.destroy()
    for (;;) {
      const next = await connect(cutover)
      next.send(`GET / HTTP/1.1\r\n${HOST}\r\n\r\n`)
      const answer = await next.response().catch(() => null)
      next.destroy()
      if (answer !== null) break
    }
    for (const client of clients) client.destroy()
  })
})

describe('a request target in absolute-form', () => {
  let cutover: Cutover
  let server: Awaited<ReturnType<typeof upstream>>

  beforeAll(async () => {
    server = await upstream()
    cutover = await startCutover({ app: { servers: [server] } })
  })

  beforeEach(() => {
    server.requests.length = 0
  })

  test.each([
    ['http://app.test/a?b', '/a?b'],
    ['HTTP://APP.TEST/a', '/a'],
    ['http://app.test?b', '/?b'],
    ['http://app.test', '/'],
    ['http://app.test:80/a', '/a'],
    ['https://app.test:443/a', '/a'],
    ['http://app.test/a', '/a', 'Host: app.test:80'],
    ['http://app.test:8080/a', '/a', 'Host: app.test:8080'],
  ])('%s goes on as %s', async (target, expected, host = HOST) => {
    const client = await connect(cutover)
    expect((await client.ask([`GET ${target} HTTP/1.1`, host])).status).toBe(200)
    expect(server.requests.map(({ url }) => url)).toEqual([expected])
    client.destroy()
  })

  test.each([
    ['another host', 'GET http://other.test/ HTTP/1.1'],
    ['another port', 'GET http://app.test:81/ HTTP/1.1'],
    ['the default port of another scheme', 'GET http://app.test:443/ HTTP/1.1'],
    ['user information', 'GET http://me@app.test/ HTTP/1.1'],
    ['another scheme', 'GET ftp://app.test/ HTTP/1.1'],
    ['no host', 'GET http:///a HTTP/1.1'],
  ])('with %s is refused', async (_what, line) => {
    const client = await connect(cutover)
    expect((await client.ask([line, HOST])).status).toBe(400)
    expect(await client.rest()).toBe('')
    expect(server.requests).toEqual([])
  })
})

describe('what else a guard refuses', () => {
  let cutover: Cutover
  let server: Awaited<ReturnType<typeof upstream>>

  beforeAll(async () => {
    server = await upstream()
    cutover = await startCutover({ app: { servers: [server] } })
  })

  beforeEach(() => {
    server.requests.length = 0
  })

  const passages = (count: number) => `Via: ${Array.from({ length: count }, () => '1.1 cutover').join(', ')}`

  test.each([
    ['Transfer_Encoding', ['POST / HTTP/1.1', HOST, 'Transfer_Encoding: chunked'], 400],
    ['Content_Length', ['POST / HTTP/1.1', HOST, 'Content_Length: 5'], 400],
    ['an unknown method', ['FROB / HTTP/1.1', HOST], 501],
    ['no method at all', ['\x16\x03\x01\x02\x00\x01\x00\x01'], 400],
    ['HTTP/2.0 by name', ['GET / HTTP/2.0', HOST], 505],
    ['the preface of HTTP/2', ['PRI * HTTP/2.0', '', 'SM', ''], 505],
    ['an expectation that is unknown', ['POST / HTTP/1.1', HOST, 'Expect: a-miracle', 'Content-Length: 0'], 417],
    ['600 fields', ['GET / HTTP/1.1', HOST, ...Array.from({ length: 600 }, (_, i) => `X-${i}: 1`)], 431],
    ['a request that goes round in a circle (W11)', ['GET / HTTP/1.1', HOST, passages(5)], 508],
    ['a target too long for the parser', [`GET /${'x'.repeat(60_000)} HTTP/1.1`, HOST], 414],
    ['a header too large for the parser', ['GET / HTTP/1.1', HOST, `X-A: ${'x'.repeat(60_000)}`], 431],
  ])('%s', async (_what, lines, status) => {
    const client = await connect(cutover)
    client.send(`${lines.join('\r\n')}\r\n\r\n`)
    const answer = await client.response()
    expect(answer.status).toBe(status)
    expect(answer.field('connection')).toBe('close')
    expect(await client.rest()).toBe('')
    expect(server.requests).toEqual([])
  })

  test('a few passages are none too many', async () => {
    const client = await connect(cutover)
    expect((await client.ask(['GET / HTTP/1.1', HOST, passages(4)])).status).toBe(200)
    client.destroy()
  })

  test('W2 a malformed chunk is 400, and the request upstream is broken off', async () => {
    const broken = Promise.withResolvers<boolean>()
    const reading = await upstream((request) => {
      request.resume().on('close', () => broken.resolve(request.complete))
    })
    const other = await startCutover({ app: { servers: [reading] } })
    const client = await connect(other)
    client.send(`POST / HTTP/1.1\r\n${HOST}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`)
    await reading.arrived(1)
    client.send('nonsense\r\n')
    expect((await client.response()).status).toBe(400)
    expect(await broken.promise).toBe(false)
    await client.closed()
  })
})

test('a refused request behind one under way: the first is answered whole, then the refusal, then the end', async () => {
  const held: (() => void)[] = []
  const server = await upstream((_request, response) => held.push(() => response.end('first')))
  const cutover = await startCutover({ app: { servers: [server] } })
  const client = await connect(cutover)
  client.send(`GET / HTTP/1.1\r\n${HOST}\r\n\r\nGET /#x HTTP/1.1\r\n${HOST}\r\n\r\n`)
  await server.arrived(1)
  for (const answer of held) answer()
  const first = await client.response()
  expect([first.status, first.text, first.field('connection')]).toEqual([200, 'first', 'keep-alive'])
  const second = await client.response()
  expect([second.status, second.field('connection')]).toEqual([400, 'close'])
  expect(await client.rest()).toBe('')
})
