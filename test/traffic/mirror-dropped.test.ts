import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import type { Handler } from '../support/upstream.ts'
import { answering, figuresOf, keepingBodies, mirrored } from './mirror-support.ts'
import { ask, holding, pool, raw, start, upstream } from './support.ts'

const post = (body: string): RequestInit => ({ method: 'POST', body })
const POSTS = { methods: ['GET', 'POST'] }

describe('no copy', () => {
  test('of a request that the same pool answers', async () => {
    const { cutover, green, counts } = await mirrored({
      service: { routes: [{ name: 'new', match: { path: '/new' }, to: 'green' }] },
    })
    expect((await ask(cutover, '/new')).body).toBe('green1')
    expect((await ask(cutover, '/old')).body).toBe('blue1')
    await counts({ 'requests 200': 1 })
    expect(green.requests.map(({ url }) => url)).toEqual(['/new', '/old'])
  })

  test('of an upgrade', async () => {
    const { cutover, blue, green, counts } = await mirrored()
    blue.server.on('upgrade', (_request, socket) => {
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nhello')
    })
    const client = await raw(cutover)
    client.send('GET /up HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    expect((await client.head()).status).toBe(101)
    await ask(cutover, '/plain')
    await counts({ 'requests 200': 1 })
    expect(green.requests.map(({ url }) => url)).toEqual(['/plain'])
  })

  test('of a request that says that it is one; the app gets the mark from trusted proxies only', async () => {
    const [blue, green] = [await upstream('blue1'), await upstream('green1')]
    const shop = { pools: { blue: pool(blue), green: pool(green) }, split: { blue: 100 }, mirror: { to: 'green' } }
    const marked = { headers: { 'x-cutover-mirror': '1' } }
    for (const trustedProxies of [[], ['127.0.0.0/8']]) {
      const cutover = await start({ services: { shop: { ...shop, health: 'off' } }, proxy: { trustedProxies } })
      await ask(cutover, '/copy', marked)
      await ask(cutover, '/other')
      await figuresOf(cutover, 'shop').counts({ 'requests 200': 1 })
    }
    expect(green.requests.map(({ url }) => url)).toEqual(['/other', '/other'])
    expect(blue.requests.map(({ headers }) => headers['x-cutover-mirror'])).toEqual([
      undefined,
      undefined,
      '1',
      undefined,
    ])
  })

  test('past inFlight: it is dropped and counted, and there is room again once copies have ended', async () => {
    const { handler, held, release } = holding()
    const { cutover, green, counts } = await mirrored({ mirror: { inFlight: 2 }, green: handler })
    for (let i = 0; i < 5; i++) expect((await ask(cutover)).status).toBe(200)
    await counts({ 'dropped in_flight': 3 })
    await until(() => held.length === 2)
    release()
    await counts({ 'dropped in_flight': 3, 'requests 200': 2 })
    await ask(cutover)
    await until(() => held.length === 1)
    release()
    await counts({ 'dropped in_flight': 3, 'requests 200': 3 })
    expect(green.requests.length).toBe(3)
  })

  test('past bodyBytes: it is dropped and counted, with its length or in chunks; the original gets all of its body', async () => {
    const { handler, bodies } = keepingBodies()
    const { cutover, green, counts } = await mirrored({ mirror: { bodyBytes: 10, ...POSTS }, blue: handler })
    const client = await raw(cutover)
    const sizes = [10, 11, 40_000]
    for (const size of sizes) {
      const body = 'x'.repeat(size)
      expect((await ask(cutover, '/', post(body))).status).toBe(200)
      const head = ['POST / HTTP/1.1', 'Host: a', 'Transfer-Encoding: chunked']
      const half = size / 2 - (size % 2) / 2
      const chunks = [half, size - half].map((length) => `${length.toString(16)}\r\n${'x'.repeat(length)}\r\n`).join('')
      expect((await client.ask(head, `${chunks}0\r\n\r\n`)).status).toBe(200)
    }
    await counts({ 'dropped body_too_large': 4, 'requests 200': 2 })
    expect(green.requests.map(({ body }) => body?.length)).toEqual([10, 10])
    expect(bodies.map(({ length }) => length)).toEqual(sizes.flatMap((size) => [size, size]))
  })

  test('of a request whose client leaves in mid-body; its place is free again', async () => {
    const { cutover, blue, green, counts } = await mirrored({ mirror: { inFlight: 1, ...POSTS } })
    const client = await raw(cutover)
    client.send('POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    await blue.arrived(1)
    client.destroy()
    await counts({ 'dropped incomplete': 1 })
    await ask(cutover, '/whole', post('whole'))
    await counts({ 'dropped incomplete': 1, 'requests 200': 1 })
    expect(green.requests.map(({ url, body }) => [url, body])).toEqual([['/whole', 'whole']])
  })

  test('of a request that the server answers before its body has come', async () => {
    const early: Handler = (_request, response) => response.writeHead(413, { connection: 'close' }).end('no')
    const { cutover, green, counts } = await mirrored({ mirror: POSTS, blue: early })
    const client = await raw(cutover)
    client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
    expect((await client.response()).status).toBe(413)
    await counts({ 'dropped incomplete': 1 })
    expect(green.requests).toEqual([])
  })

  test('while no server of the pool is up', async () => {
    const { cutover, green, counts } = await mirrored()
    green.health = 503
    await until(async () => (await cutover.api('GET', '/api/servers/green1')).body.servers[0].health === 'down')
    expect((await ask(cutover)).status).toBe(200)
    await counts({ 'dropped no_server': 1 })
  })
})

describe('answers of another status class are counted', () => {
  test.for<[number, number, number]>([
    [200, 500, 1],
    [200, 404, 1],
    [302, 200, 1],
    [200, 299, 0],
    [404, 400, 0],
    [500, 503, 0],
  ])('%d and %d', async ([original, copy, expected]) => {
    const options = { blue: answering(() => original), green: answering(() => copy) }
    const { cutover, counts } = await mirrored({ ...options, service: { passive: { maxFails: 0 } } })
    await ask(cutover, '/', { redirect: 'manual' })
    await counts({ [`requests ${copy}`]: 1, ...(expected === 0 ? {} : { differences: 1 }) })
  })

  test('whichever comes first', async () => {
    const [blue, green] = [holding(), holding()]
    const { cutover, counts } = await mirrored({ blue: blue.handler, green: green.handler })
    for (const [first, second] of [
      [blue, green],
      [green, blue],
    ] as const) {
      const asked = ask(cutover)
      await until(() => blue.held.length + green.held.length === 2)
      for (const { held } of [first, second]) held[0]?.writeHead(held === green.held ? 500 : 200)
      first.release()
      if (first === blue) await asked
      else await counts({ 'requests 500': 2, differences: 1 })
      second.release()
      await asked
      if (first === blue) await counts({ 'requests 500': 1, differences: 1 })
    }
    await counts({ 'requests 500': 2, differences: 2 })
  })

  test('a client that has left got no answer to compare', async () => {
    const { handler, held } = holding()
    const { cutover, green, counts } = await mirrored({ blue: handler, green: answering(() => 500) })
    const leaving = new AbortController()
    const asked = ask(cutover, '/', { signal: leaving.signal })
    await until(() => held.length === 1)
    await green.arrived(1)
    leaving.abort()
    await expect(asked).rejects.toThrow()
    await until(() => held[0]?.destroyed)
    await counts({ 'requests 500': 1 })
  })
})
