import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import type { Handler, RecordedRequest } from '../support/upstream.ts'
import { figuresOf, keepingBodies, mirrored } from './mirror-support.ts'
import { ask, define, holding, pool, raw, serverView, spread, start, upstream } from './support.ts'

const post = (body: string | Buffer): RequestInit => ({ method: 'POST', body })
const POSTS = { methods: ['GET', 'POST'] }

/** Names and values as sent, without the mark of a copy. */
const unmarked = ({ rawHeaders }: RecordedRequest): string[] =>
  rawHeaders.filter((_, i) => rawHeaders[i - (i % 2)]?.toLowerCase() !== 'x-cutover-mirror')

describe('the share of the requests that are copied is exact', () => {
  test.for([
    [100, 100],
    [12.5, 50],
    [0.25, 1],
    [0, 0],
  ])('%d percent', async ([percent = 0, expected = 0]) => {
    const requests = percent === 100 ? 100 : 400
    const { cutover, blue, green, counts } = await mirrored({ mirror: { percent, ...POSTS } })
    await spread(cutover, ['blue1'], requests)
    await counts(expected === 0 ? {} : { 'requests 200': expected })
    expect([blue.requests.length, green.requests.length]).toEqual([requests, expected])
  })

  test('across tables', async () => {
    const { name, cutover, green, counts } = await mirrored({ mirror: { percent: 10 } })
    for (let i = 0; i < 20; i++) {
      await ask(cutover)
      if (i % 7 === 6) await cutover.api('PATCH', `/api/services/${name}?wait=5s`, { minReady: 1 + (i % 2) })
    }
    await counts({ 'requests 200': 2 })
    expect(green.requests.length).toBe(2)
  })

  test('of several workers: give or take one for each', async () => {
    const [blue, green] = [await upstream('blue1'), await upstream('green1')]
    const pools = { blue: pool(blue), green: pool(green) }
    const shop = { pools, split: { blue: 100 }, health: 'off', mirror: { to: 'green', percent: 10, ...POSTS } }
    const cutover = await start({ services: { shop }, proxy: { workers: 2 } })
    await spread(cutover, ['blue1'], 1_000)
    const { figures } = figuresOf(cutover, 'shop')
    await until(async () => (await figures())['requests 200'] === green.requests.length)
    expect(Math.abs(green.requests.length - 100)).toBeLessThanOrEqual(2)
  })
})

describe('a copy', () => {
  test('is marked, and has the method, path and fields of the original', async () => {
    const { cutover, blue, green } = await mirrored()
    const client = await raw(cutover)
    const lines = [
      'GET /a%2Fb//c?x=%y HTTP/1.1',
      'Host: shop.test',
      'X-Odd: 1',
      'x-odd: 2',
      'Cookie: a=b',
      'TE: trailers',
    ]
    await client.ask([...lines, 'Connection: x-hop', 'X-Hop: 1'])
    await green.arrived(1)
    const [original, copy] = [blue.requests[0], green.requests[0]] as [RecordedRequest, RecordedRequest]
    expect(copy.headers['x-cutover-mirror']).toBe('1')
    expect(original.headers['x-cutover-mirror']).toBeUndefined()
    expect([copy.method, copy.url]).toEqual(['GET', '/a%2Fb//c?x=%y'])
    expect(unmarked(copy)).toEqual(unmarked(original))
    expect(copy.headers['x-request-id']).toMatch(/./)
  })

  test('is sent for GET and HEAD only, unless other methods are named', async () => {
    const { cutover, green, counts } = await mirrored()
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'GET'])
      await ask(cutover, `/${method}`, { method })
    await counts({ 'requests 200': 2 })
    expect(green.requests.map(({ method, url }) => [method, url])).toEqual([
      ['HEAD', '/HEAD'],
      ['GET', '/GET'],
    ])
  })

  test('has the body byte for byte, with its length or in chunks', async () => {
    const { handler: blueHandler, bodies: originals } = keepingBodies()
    const { handler, bodies } = keepingBodies()
    const { cutover, green, counts } = await mirrored({ mirror: POSTS, blue: blueHandler, green: handler })
    const sizes = [1, 1_000, 40_000, 300_000]
    const expected: Buffer[] = []
    for (const size of sizes) {
      const body = randomBytes(size)
      expected.push(body, body)
      await ask(cutover, '/', post(body))
      const chunks = new ReadableStream({
        start(stream) {
          for (let at = 0; at < size; at += 7_777) stream.enqueue(body.subarray(at, at + 7_777))
          stream.close()
        },
      })
      await ask(cutover, '/', { method: 'POST', body: chunks, duplex: 'half' } as RequestInit)
      await counts({ 'requests 200': expected.length })
    }
    expect(originals).toEqual(expected)
    expect(bodies).toEqual(expected)
    const framings = green.requests.map(({ headers }) => headers['content-length'] ?? headers['transfer-encoding'])
    expect(framings).toEqual(sizes.flatMap((size) => [String(size), 'chunked']))
  })

  test('in many small chunks with extensions and trailers, or none', async () => {
    const { handler, bodies } = keepingBodies()
    const { cutover, counts } = await mirrored({ mirror: POSTS, green: handler })
    const client = await raw(cutover)
    const text = Array.from({ length: 3_000 }, (_, i) => String(i % 10)).join('')
    const chunks = [...text].map((byte) => `1;a=b\r\n${byte}\r\n`).join('')
    const head = ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked', 'Trailer: X-Sum']
    await client.ask(head, `${chunks}0\r\nX-Sum: 9\r\n\r\n`)
    await client.ask(head, '0\r\n\r\n')
    await counts({ 'requests 200': 2 })
    expect(bodies.map(String)).toEqual([text, ''])
  })

  test('is not sent before the request has come whole, and then once, although the original is tried again', async () => {
    const { handler, bodies } = keepingBodies()
    let tries = 0
    const blue: Handler = (request, response, recorded) => {
      if (++tries > 1) void keeping.handler(request, response, recorded)
      else request.on('end', () => request.socket.destroy()).resume()
    }
    const keeping = keepingBodies()
    const service = { retry: { methods: ['PUT'] } }
    const {
      cutover,
      blue: server,
      green,
      counts,
    } = await mirrored({
      mirror: { methods: ['PUT'] },
      blue,
      green: handler,
      service,
    })
    const client = await raw(cutover)
    client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo')
    await server.arrived(1)
    expect(green.requests).toEqual([])
    client.send('dy')
    expect((await client.response()).status).toBe(200)
    await counts({ 'requests 200': 1 })
    expect([server.requests.length, green.requests.length]).toEqual([2, 1])
    expect([keeping.bodies.map(String), bodies.map(String)]).toEqual([['body'], ['body']])
  })

  test('is sent once for a request that was queued, when that is sent', async () => {
    const { handler, held } = holding()
    const service = { connections: { perServer: 1 }, timeouts: { queue: '10s' } }
    const { cutover, blue, green, counts } = await mirrored({ blue: handler, service })
    const asked = [ask(cutover, '/1'), ask(cutover, '/2'), ask(cutover, '/3')]
    for (let i = 1; i <= 3; i++) {
      await blue.arrived(i)
      await green.arrived(i)
      await until(async () => (await serverView(cutover, 'green1')).inFlight === 0)
      expect([blue.requests.length, green.requests.length]).toEqual([i, i])
      held.shift()?.end('blue1')
    }
    await Promise.all(asked)
    await counts({ 'requests 200': 3 })
  })

  test('goes to the server that the hash of the request says', async () => {
    const servers = [await upstream('green1'), await upstream('green2'), await upstream('green3')]
    const pools = { blue: pool(await upstream('blue1')), green: pool(...servers) }
    const service = { pools, split: { blue: 100 }, mirror: { to: 'green' }, balance: 'hash:header:x-user' }
    const cutover = await define('by-user', service)
    const { counts } = figuresOf(cutover, 'by-user')
    for (let i = 0; i < 36; i++) {
      await ask(cutover, `/${i % 12}`, { headers: { 'x-user': `user-${i % 12}` } })
      // One after the other: the next server in the order of the hash takes what is too much for the first.
      await counts({ 'requests 200': i + 1 })
    }
    const byServer = servers.map(({ requests }) => new Set(requests.map(({ url }) => url)))
    expect(byServer.reduce((sum, { size }) => sum + size, 0)).toBe(12)
    expect(byServer.filter(({ size }) => size > 0).length).toBeGreaterThan(1)
  })
})
