import { afterAll, beforeAll, expect, test } from 'vitest'
import { Edge, GET } from './support.ts'

let edge: Edge
beforeAll(async () => {
  edge = await Edge.start({
    service: { splitBy: 'cookie', sticky: { cookie: 'stick' } },
    proxy: { forwarding: { forwarded: true } },
  })
})
afterAll(() => edge.stop())

test('servers learn that the client came by https, and at which port', async () => {
  const client = await edge.raw()
  const spoofed = ['X-Forwarded-Proto: http', 'X-Forwarded-Port: 1', 'X-Forwarded-Client-Cert: Hash=forged']
  expect((await client.ask([...GET, ...spoofed])).status).toBe(200)
  const headers = edge.server.requests.at(-1)?.headers
  expect(headers).toMatchObject({
    'x-forwarded-proto': 'https',
    'x-forwarded-port': String(edge.port),
    'x-forwarded-for': '127.0.0.1',
    'x-forwarded-host': 'localhost',
    forwarded: 'for=127.0.0.1;host="localhost";proto=https',
  })
  expect(headers?.['x-forwarded-client-cert']).toBeUndefined()
  client.destroy()
})

test('cookies that Cutover issues are Secure', async () => {
  const client = await edge.raw()
  const cookies = (await client.ask(GET)).all('set-cookie')
  expect(cookies.map((cookie) => cookie.split('=')[0]).sort()).toEqual(['cutover_id', 'stick'])
  for (const cookie of cookies) expect(cookie).toMatch(/; Secure/)
  client.destroy()
})

test('the access log has version, cipher and name', async () => {
  const client = await edge.raw({ maxVersion: 'TLSv1.2' })
  await client.ask(['GET /logged HTTP/1.1', 'Host: localhost'])
  client.destroy()
  await edge.cutover.printed(/"target":"\/logged"/)
  const line = edge.cutover.accessLog().find(({ target }) => target === '/logged')
  expect(line?.tls).toMatchObject({ version: 'TLSv1.2', serverName: 'localhost' })
  expect(String((line?.tls as { cipher: string } | undefined)?.cipher)).toMatch(
    /^TLS_ECDHE_ECDSA_WITH_AES_(128|256)_GCM_SHA/,
  )
})

test('a name that is no host name is not logged', async () => {
  const client = await edge.raw({ servername: 'a"b', checkServerIdentity: () => undefined })
  await client.ask(['GET /odd HTTP/1.1', 'Host: localhost'])
  client.destroy()
  await edge.cutover.printed(/"target":"\/odd"/)
  const line = edge.cutover.accessLog().find(({ target }) => target === '/odd')
  expect(line?.tls).toMatchObject({ version: 'TLSv1.3' })
  expect(line?.tls).not.toHaveProperty('serverName')
})

test('a Host that differs from the name of the handshake is served', async () => {
  const client = await edge.raw()
  expect((await client.ask(['GET / HTTP/1.1', 'Host: other.test'])).status).toBe(200)
  client.destroy()
})
