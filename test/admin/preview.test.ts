import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import { AUTHORITY, LOCALHOST } from '../support/certificates.ts'
import { freePort, type Handler, startRawUpstream, startUpstream } from '../support/upstream.ts'
import { problem, type RawRequest, send, useShop } from './support.ts'

const shop = useShop()

/** Asks a server of the pool `green`, which gets no traffic, through the preview. */
const preview = (path: string, request: Omit<RawRequest, 'path'> = {}) =>
  send(shop.cutover.admin, { path: `/preview/shop/green${path}`, ...request })

/** Has the pool `green` consist of one server that answers by `handler`. */
async function green(handler: Handler) {
  const server = await startUpstream(handler, { name: 'green1' })
  onTestFinished(() => server.close())
  await only(server.url)
  return server
}

/** Has the pool `green` consist of one server at an address. */
async function only(url: string): Promise<void> {
  await shop.done('PUT', '/api/services/shop/pools/green', { servers: { green1: url } })
}

test('reaches the standby pool, every server of it in turn, and no other', async () => {
  const answers = new Set<string>()
  for (let i = 0; i < 4; i++) answers.add((await preview('/')).body)
  expect([...answers].toSorted()).toEqual(['green1', 'green2'])
  expect((await send(shop.cutover.admin, { path: '/preview/shop/blue/' })).body).toMatch(/^blue/)
  expect((await preview('')).status).toBe(200)
})

test('keeps path and query, method, body and headers', async () => {
  const server = await green(async (request, response, recorded) => {
    recorded.body = await text(request)
    response.writeHead(201, { 'x-own': 'yes', 'set-cookie': ['a=1', 'b=2'] }).end('made')
  })
  const body = JSON.stringify({ b: 'ä', a: [1, 2] }, null, 3)
  const headers = { 'content-type': 'application/json', 'x-mine': 'yes', authorization: 'Basic YTpi' }
  const answer = await preview('/a/b%20c?x=1&y=%2F&x=2', { method: 'POST', headers, body })
  expect([answer.status, answer.body, answer.headers.get('x-own')]).toEqual([201, 'made', 'yes'])
  expect(answer.headers.get('set-cookie')).toBe('a=1,b=2')
  expect(server.requests).toMatchObject([{ method: 'POST', url: '/a/b%20c?x=1&y=%2F&x=2', body }])
  // Without tokens of our own, the field is the server's.
  expect(server.requests[0]?.headers).toMatchObject({ 'x-mine': 'yes', authorization: 'Basic YTpi' })
  for (const method of ['PUT', 'PATCH', 'DELETE'])
    expect((await preview('/m', { method, headers, body })).body).toBe('made')
  expect(server.requests.slice(1).map((each) => [each.method, each.body])).toEqual([
    ['PUT', body],
    ['PATCH', body],
    ['DELETE', body],
  ])
})

test('streams bodies of any size and type, both ways', async () => {
  await green(async (request, response) => {
    response.setHeader('content-type', request.headers['content-type'] ?? '')
    request.pipe(response)
  })
  const body = Buffer.alloc(3 * 1024 * 1024, 'x')
  const headers = { 'content-type': 'text/plain' }
  const answer = await preview('/', { method: 'POST', headers, body })
  expect([answer.status, answer.body.length]).toEqual([200, body.length])
})

test.each([404, 429, 500, 502, 503, 504])('passes a %i on unchanged, and sends the request once', async (status) => {
  const server = await green((_request, response) => {
    response.writeHead(status, { 'retry-after': '0', 'x-own': 'yes' }).end('my own words')
  })
  const answer = await preview('/')
  expect([answer.status, answer.body, answer.headers.get('x-own')]).toEqual([status, 'my own words', 'yes'])
  expect(server.requests).toHaveLength(1)
})

test('HEAD, 204 and 304 have no body, and keep their fields', async () => {
  const server = await green((request, response) => {
    if (request.url === '/304') response.writeHead(304, { etag: '"x"', 'content-length': '5' }).end()
    else if (request.url === '/204') response.writeHead(204).end()
    else response.writeHead(200, { 'content-length': '5' }).end('hello')
  })
  const head = await preview('/', { method: 'HEAD' })
  expect([head.status, head.body, head.headers.get('content-length')]).toEqual([200, '', '5'])
  for (const method of ['GET', 'HEAD']) {
    const unchanged = await preview('/304', { method, headers: { 'if-none-match': '"x"' } })
    expect([method, unchanged.status, unchanged.body, unchanged.headers.get('etag')]).toEqual([method, 304, '', '"x"'])
    expect((await preview('/204', { method })).status).toBe(204)
  }
  expect(server.requests.map(({ method, url }) => `${method} ${url}`)).toEqual([
    'HEAD /',
    'GET /304',
    'GET /204',
    'HEAD /304',
    'HEAD /204',
  ])
  expect(server.requests[1]?.headers['if-none-match']).toBe('"x"')
})

test('fields that concern one hop are not passed on', async () => {
  const server = await green((_request, response) => {
    response.writeHead(200, { connection: 'close, x-hop', 'keep-alive': 'timeout=1', 'x-hop': '1' }).end('ok')
  })
  const headers = {
    expect: '100-continue',
    connection: 'keep-alive, x-gone',
    'x-gone': '1',
    'keep-alive': 'timeout=9',
    te: 'trailers',
    'proxy-connection': 'keep-alive',
    'proxy-authorization': 'Basic eDp5',
    upgrade: 'foo',
  }
  const answer = await preview('/', { headers })
  expect([answer.status, answer.body]).toEqual([200, 'ok'])
  const posted = await preview('/', {
    method: 'POST',
    headers: { ...headers, 'content-type': 'text/plain' },
    body: 'x',
  })
  expect(posted.status).toBe(200)
  expect(server.requests).toHaveLength(2)
  for (const { headers: seen } of server.requests) {
    for (const name of Object.keys(headers))
      expect([name, name === 'connection' || seen[name] === undefined]).toEqual([name, true])
    expect(seen.connection).not.toContain('x-gone')
  }
  expect(answer.headers.get('keep-alive')).not.toBe('timeout=1')
  expect(answer.headers.get('x-hop')).toBe(null)
})

test('a page of the app runs in a sandbox at the admin API', async () => {
  await green((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html', 'content-security-policy': "default-src 'none'" }).end('<p>')
  })
  const { headers } = await preview('/')
  expect(headers.get('content-security-policy')).toBe('sandbox allow-scripts allow-forms')
})

test('redirects within the server stay within the preview', async () => {
  await green((request, response) => {
    const location = request.url === '/away' ? 'https://example.com/x' : '/login?next=1'
    response.writeHead(302, { location }).end()
  })
  expect((await preview('/')).headers.get('location')).toBe('/preview/shop/green/login?next=1')
  expect((await preview('/away')).headers.get('location')).toBe('https://example.com/x')
})

test('a dead server is 502, without its address', async () => {
  const port = await freePort()
  await only(`http://127.0.0.1:${port}`)
  const answer = await preview('/')
  const { detail } = problem(answer, 502, 'Preview failed')
  expect(detail).toBe('The server could not be reached, or broke off.')
  expect(JSON.stringify([answer.body, [...answer.headers]])).not.toContain(`${port}`)
})

test('a server that breaks off or sends no HTTP is 502', async () => {
  for (const nonsense of ['', 'HTTP/1.1 9 x\r\n\r\n', 'garbage\r\n\r\n']) {
    const raw = await startRawUpstream((socket) => socket.once('data', () => socket.end(nonsense)))
    onTestFinished(() => raw.close())
    await only(raw.url)
    problem(await preview('/'), 502, 'Preview failed')
  }
})

test('an answer that breaks off half-way is broken off to the client, too', async () => {
  await green((_request, response) => {
    response.writeHead(200, { 'content-length': '100' })
    response.write('half')
    setImmediate(() => response.destroy())
  })
  await expect(preview('/')).rejects.toThrow(/aborted|terminated|reset|hang up/i)
})

test('servers that are up come first; servers in maint get no request', async () => {
  shop.server('green1').health = 503
  let up = 2
  while (up === 2) up = (await shop.view()).pools[1].up
  for (let i = 0; i < 4; i++) expect((await preview('/')).body).toBe('green2')
  await shop.done('PATCH', '/api/servers/green2', { state: 'maint' })
  expect((await preview('/')).body).toBe('green1')
  await shop.done('PATCH', '/api/servers/green1', { state: 'maint' })
  problem(await preview('/'), 503, 'No server')
})

test('an untrusted certificate is refused', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-tls-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const args = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', '/CN=localhost']
  await promisify(execFile)('openssl', ['req', '-x509', ...args, '-days', '2', '-keyout', key, '-out', cert])
  const server = https.createServer({ key: await readFile(key), cert: await readFile(cert) }, (_request, response) =>
    response.end('trusted'),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  await only(`https://localhost:${(server.address() as AddressInfo).port}`)
  problem(await preview('/'), 502, 'Preview failed')
})

test('without the slash behind the pool the query is kept, and a browser is redirected to the page with the slash', async () => {
  const server = await green((_request, response) => response.end('app'))
  expect((await preview('?x=1&y=%2F')).body).toBe('app')
  expect((await preview('?')).body).toBe('app')
  expect(server.requests.map(({ url }) => url)).toEqual(['/?x=1&y=%2F', '/?'])
  const page = await preview('?x=1', { headers: { 'sec-fetch-mode': 'navigate' } })
  expect([page.status, page.headers.get('location')]).toEqual([308, '/preview/shop/green/?x=1'])
})

test('the app gets the fields about its client as from the data plane, with the first host of the service', async () => {
  const server = await green((_request, response) => response.end('app'))
  const told = async (headers: Record<string, string>) => {
    server.requests.length = 0
    expect((await preview('/', { headers })).status).toBe(200)
    const { host, 'x-forwarded-host': forwardedHost, ...others } = server.requests[0]?.headers ?? {}
    expect(others).toMatchObject({ 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'http' })
    expect(others['x-request-id']).toMatch(/^[\w-]{36}$/)
    return { host, forwardedHost, others }
  }
  const asked = new URL(shop.cutover.admin).host
  expect(await told({})).toMatchObject({ host: asked, forwardedHost: asked })
  await shop.done('PATCH', '/api/services/shop?force', { hosts: ['*.example.com', 'shop.example.com'] })
  const lies = {
    'x-forwarded-for': '6.6.6.6',
    x_forwarded_for: '6.6.6.6',
    'x-forwarded-host': 'evil.example',
    'x-forwarded-proto': 'https',
    'x-request-id': 'mine',
    forwarded: 'for=6.6.6.6',
    via: '1.0 somebody',
  }
  const { host, forwardedHost, others } = await told(lies)
  expect([host, forwardedHost, others.via]).toEqual([
    'shop.example.com',
    'shop.example.com',
    '1.0 somebody, 1.1 cutover',
  ])
  expect(JSON.stringify(others)).not.toMatch(/6\.6\.6\.6|evil|mine/)
})

test('a server is reached with its own TLS settings, whatever host the service has', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'cutover-tls-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const ca = join(folder, 'ca.pem')
  await writeFile(ca, AUTHORITY)
  const server = https.createServer({ ...LOCALHOST }, (request, response) => response.end(request.headers.host))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  await shop.done('PATCH', '/api/services/shop?force', { hosts: ['shop.example.com'] })
  await shop.done('PUT', '/api/services/shop/pools/green', { servers: { green1: { url, tls: { ca } } } })
  for (let i = 0; i < 2; i++) expect((await preview('/')).body).toBe('shop.example.com')
})
