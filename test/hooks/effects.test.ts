import { EventEmitter, once } from 'node:events'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { logged } from '../proxy/support.ts'
import { startUpstream } from '../support/upstream.ts'
import { HookedShop } from './support.ts'

let shop: HookedShop
beforeAll(async () => {
  shop = await HookedShop.start({
    handler: (request, response) => {
      response.setHeader('set-cookie', ['a=1', 'b=2'])
      response.setHeader('x-powered-by', 'app')
      if (request.url === '/missing') response.statusCode = 404
      response.end(response.getHeader('x-upstream'))
    },
  })
})
afterAll(() => shop.stop())

const lastOf = ({ requests }: HookedShop['blue']) => {
  const last = requests.at(-1)
  if (last === undefined) throw new Error('no request has arrived')
  return last
}

describe('request', () => {
  test('sees what the client has sent', async () => {
    await shop.use(`request(r) {
      return { status: 200, body: JSON.stringify({ method: r.method, host: r.host, path: r.path, query: [...r.query],
        a: r.header('X-A'), none: r.header('x-none') === undefined, cookie: r.cookie('id'), client: r.client,
        service: r.service, id: r.requestId, pool: r.pool + r.version + r.server }) }
    }`)
    const response = await shop.ask('/a%20b/c?x=1&x=%2F', { method: 'POST', headers: { 'x-a': '1', cookie: 'id=7' } })
    expect(await response.json()).toEqual({
      method: 'POST',
      host: '127.0.0.1',
      path: '/a%20b/c',
      query: [
        ['x', '1'],
        ['x', '/'],
      ],
      a: '1',
      none: true,
      cookie: '7',
      client: '127.0.0.1',
      service: 'shop',
      id: response.headers.get('x-request-id'),
      pool: '',
    })
  })

  test('answers without a server: status, headers, text or bytes', async () => {
    const before = shop.blue.requests.length
    await shop.use(`request(r) {
      if (r.path === '/text') return { status: 401, headers: { 'WWW-Authenticate': 'Basic', 'Set-Cookie': ['a=1', 'b=2'] }, body: 'čaj' }
      if (r.path === '/bytes') return { status: 200, headers: { 'content-type': 'image/x' }, body: new Uint8Array([0, 255, 13, 10]).subarray(1) }
      return { status: 204, headers: { Date: 'Sun, 06 Nov 1994 08:49:37 GMT' } }
    }`)
    const text = await shop.ask('/text')
    expect([text.status, await text.text(), text.headers.getSetCookie()]).toEqual([401, 'čaj', ['a=1', 'b=2']])
    expect(Object.fromEntries(text.headers)).toMatchObject({
      'www-authenticate': 'Basic',
      'content-type': 'text/plain; charset=utf-8',
      'content-length': '4',
      'x-request-id': expect.any(String),
      date: expect.any(String),
    })
    const bytes = await shop.ask('/bytes')
    expect([...new Uint8Array(await bytes.arrayBuffer())]).toEqual([255, 13, 10])
    const head = await shop.ask('/text', { method: 'HEAD' })
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([401, '4', ''])
    const none = await shop.ask('/none')
    expect([none.status, none.headers.get('content-length')]).toEqual([204, null])
    expect(none.headers.get('date')).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
    // The connection goes on after a body that nobody wanted.
    const connection = await shop.connect()
    for (const path of ['/text', '/bytes', '/none']) {
      const { status } = await connection.ask([`POST ${path} HTTP/1.1`, 'Host: x', 'Content-Length: 3'], 'abc')
      expect(status).toBe({ '/text': 401, '/bytes': 200, '/none': 204 }[path])
    }
    expect(shop.blue.requests.length).toBe(before)
    expect(await logged(shop.cutover, '/text')).toMatchObject({ status: 401, bytes: 4, service: 'shop', attempts: 0 })
  })

  test('setPath and setHeader change what goes to the server, and nothing else', async () => {
    await shop.use(`request(r) {
      r.setPath('/v2' + r.path + '?a=1')
      r.setHeader('X-User', 'ann')
      r.setHeader('Host', 'app.internal')
      r.setHeader('x-forwarded-proto', 'https')
    }`)
    const response = await shop.ask('/cart?b=2', { headers: { 'x-user': 'spoofed', 'x-stays': '1' } })
    expect(response.status).toBe(200)
    const { url, headers } = lastOf(shop.blue)
    expect(url).toBe('/v2/cart?a=1')
    expect(headers).toMatchObject({
      'x-user': 'ann',
      host: 'app.internal',
      'x-forwarded-proto': 'https',
      'x-stays': '1',
    })
    expect(await logged(shop.cutover, '/cart?b=2')).toMatchObject({ status: 200, server: 'blue1' })
    // A client of HTTP/1.0 names no host.
    const connection = await shop.connect()
    expect((await connection.ask(['GET /old HTTP/1.0'])).status).toBe(200)
    expect(lastOf(shop.blue).rawHeaders.filter((name) => name.toLowerCase() === 'host')).toHaveLength(1)
    expect(lastOf(shop.blue).headers.host).toBe('app.internal')
  })

  test('may return a promise, while which the body waits unread', async () => {
    await shop.use(`async request(r) {
      await new Promise((resolve) => setTimeout(resolve, 50))
      if (r.path === '/no') return { status: 403, body: 'no' }
      r.setHeader('x-late', '1')
    }`)
    expect(await shop.whoAnswers('/no')).toBe('403')
    const body = 'x'.repeat(300_000)
    expect(await shop.whoAnswers('/yes', { method: 'POST', body })).toBe('blue1')
    expect(lastOf(shop.blue).headers).toMatchObject({ 'x-late': '1', 'content-length': '300000' })
  })

  test('a client that leaves meanwhile: nothing is sent, and nothing comes of the promise', async () => {
    const asked = new EventEmitter()
    const gate = await startUpstream((_request, response) => asked.emit('asked', response))
    await shop.use(`async request(r) { if (r.path === '/waits') await fetch('${gate.url}') }`)
    const errors = await shop.metric('cutover_hook_errors_total')
    const connection = await shop.connect()
    connection.send('GET /waits HTTP/1.1\r\nHost: x\r\n\r\n')
    const [held] = await once(asked, 'asked')
    connection.socket.resetAndDestroy()
    expect(await logged(shop.cutover, '/waits')).toMatchObject({ status: 499, error: 'client_gone', attempts: 0 })
    held.end()
    await gate.close()
    expect(await shop.whoAnswers('/after')).toBe('blue1')
    expect(shop.blue.requests.filter(({ url }) => url === '/waits')).toEqual([])
    expect(await shop.metric('cutover_hook_errors_total')).toBe(errors)
  })
})

describe('upstreamRequest', () => {
  test('changes the header of every try, after the policies of the service', async () => {
    await shop.use(`upstreamRequest(r, h) {
      h.set('x-seen', [h.get('X-Forwarded-For'), h.get('x-none'), r.pool, r.version, r.server].join())
      h.add('x-many', '1'); h.add('X-Many', '2'); h.remove('ACCEPT-LANGUAGE'); h.set('x-all', h.getAll('x-many').join('+'))
    }`)
    expect(await shop.whoAnswers('/', { headers: { 'accept-language': 'en' } })).toBe('blue1')
    const { headers } = lastOf(shop.blue)
    expect(headers).toMatchObject({ 'x-seen': '127.0.0.1,,blue,1,blue1', 'x-many': '1, 2', 'x-all': '1+2' })
    expect(headers['accept-language']).toBeUndefined()
  })
})

describe('response', () => {
  test('changes status and header for the client', async () => {
    await shop.use(`response(r, h) {
      if (h.status === 404) h.status = 410
      h.remove('x-powered-by'); h.set('x-cookies', h.getAll('set-cookie').join('|')); h.set('x-by', r.server); h.add('Set-Cookie', 'c=3')
    }`)
    const response = await shop.ask('/missing')
    expect([response.status, response.statusText, await response.text()]).toEqual([410, 'Gone', 'blue1'])
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2', 'c=3'])
    expect(Object.fromEntries(response.headers)).toMatchObject({ 'x-cookies': 'a=1|b=2', 'x-by': 'blue1' })
    expect(response.headers.get('x-powered-by')).toBeNull()
    expect(await logged(shop.cutover, '/missing')).toMatchObject({ status: 410 })
  })

  test('sees the answers of Cutover itself, and those of request hooks', async () => {
    await shop.use(`
      request(r) { if (r.path === '/own') return { status: 403, body: 'no' } },
      response(r, h) { h.set('x-hook', String(h.status)); if (h.status === 503) h.status = 500 },`)
    const own = await shop.ask('/own')
    expect([own.status, own.headers.get('x-hook')]).toEqual([403, '403'])
    await shop.cutover.api('POST', '/api/servers/blue1/drain?force')
    const none = await shop.ask('/none-left')
    expect([none.status, none.headers.get('x-hook')]).toEqual([500, '503'])
    expect(await logged(shop.cutover, '/none-left')).toMatchObject({ status: 500, error: 'destination_unavailable' })
    await shop.cutover.api('POST', '/api/servers/blue1/enable')
  })
})

describe('log', () => {
  test('adds tags to the access log, which cannot break its lines', async () => {
    await shop.use(`
      request(r) { r.tag('plan', 'gold'); r.tag('seen') },
      log(r, fields) { fields.again = fields.plan + '!'; fields.count = 3; delete fields.seen; fields['a"\\n'] = '\\u2028"}\\n{"' },`)
    expect(await shop.whoAnswers('/tagged')).toBe('blue1')
    const line = await logged(shop.cutover, '/tagged')
    expect(line.tags).toEqual({ plan: 'gold', again: 'gold!', count: 3, 'a"\n': '\u2028"}\n{"' })
    await shop.use('log() {}')
    expect(await shop.whoAnswers('/untagged')).toBe('blue1')
    expect(await logged(shop.cutover, '/untagged')).not.toHaveProperty('tags')
  })
})
