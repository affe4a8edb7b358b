import http from 'node:http'
import { describe, expect, test } from 'vitest'
import { LOCALHOST } from '../support/certificates.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { define, HEALTH, start, upstream } from './support.ts'
import { toldUpstream } from './told-upstream.ts'

const one = (server: object) => ({ main: { servers: { a: server } } })

describe.each(['v1', 'v2'] as const)('PROXY protocol %s to a server', (proxyProtocol) => {
  test('each connection begins with the address of the client; checks name none', async () => {
    const server = await toldUpstream()
    const cutover = await define('shop', { pools: one({ url: server.url, proxyProtocol }) })
    expect(server.connections[0]).toEqual({ client: null, paths: ['/healthz'] })
    const client = await RawConnection.connect(cutover.proxy)
    const { text } = await client.ask(['POST / HTTP/1.1', 'host: a', 'content-length: 5'], 'hello')
    expect(text).toBe(`127.0.0.1:${client.socket.localPort}`)
    client.destroy()
  })

  test('a connection is used again for the same client connection, and for no other', async () => {
    const server = await toldUpstream()
    const cutover = await define('shop', { pools: one({ url: server.url, proxyProtocol }) })
    const clients = [await RawConnection.connect(cutover.proxy), await RawConnection.connect(cutover.proxy)]
    for (let i = 0; i < 6; i++)
      for (const client of clients) {
        const { text } = await client.ask([`GET /${i} HTTP/1.1`, 'host: a'])
        expect(text).toBe(`127.0.0.1:${client.socket.localPort}`)
      }
    const all = ['/0', '/1', '/2', '/3', '/4', '/5']
    expect(server.used().map(({ paths }) => paths)).toEqual([all, all])
    for (const client of clients) client.destroy()
  })

  test('the header comes before the handshake of an https:// server', async () => {
    const server = await toldUpstream({ pair: LOCALHOST })
    const tls = { insecure: true }
    const cutover = await define('shop', { pools: one({ url: server.url, tls, proxyProtocol }) })
    const client = await RawConnection.connect(cutover.proxy)
    const body = 'x'.repeat(300_000)
    for (let i = 0; i < 3; i++) {
      const { text } = await client.ask(['POST /big HTTP/1.1', 'host: a', `content-length: ${body.length}`], body)
      expect(text).toBe(`127.0.0.1:${client.socket.localPort}`)
    }
    expect(server.used().map(({ paths }) => paths)).toEqual([['/big', '/big', '/big']])
    client.destroy()
  })
})

test('behind a trusted proxy it is the client that X-Forwarded-For names, without a port', async () => {
  const server = await toldUpstream()
  const cutover = await start({
    proxy: { trustedProxies: ['127.0.0.0/8'] },
    services: { shop: { pools: one({ url: server.url, proxyProtocol: 'v2' }), health: HEALTH } },
  })
  const ask = async (forwarded: string) => {
    const headers = { 'x-forwarded-for': forwarded }
    return (await fetch(cutover.proxy, { headers })).text()
  }
  expect(await ask('203.0.113.7, 198.51.100.9')).toBe('198.51.100.9:0')
  expect(await ask('2001:db8::7')).toBe('2001:db8::7:0')
})

test('from one Cutover to the next: its access log and its servers get the address of the client', async () => {
  const app = await upstream('app1', (request, response) => response.end(String(request.headers['x-forwarded-for'])))
  const inner = await start({
    proxy: { listen: { address: '127.0.0.1:0', proxyProtocol: true }, trustedProxies: ['127.0.0.0/8'] },
    services: { shop: { pools: { main: { servers: { app1: app.url } } }, health: HEALTH } },
  })
  const cutover = await define('shop', {
    pools: one({ url: inner.proxy, proxyProtocol: 'v2' }),
    health: { ...HEALTH, path: '/healthz' },
  })
  const client = await RawConnection.connect(cutover.proxy)
  const { text } = await client.ask(['GET / HTTP/1.1', 'host: a'])
  expect(text).toContain('127.0.0.1')
  client.destroy()
})

test('a copy for a mirror names the client of the original', async () => {
  const main = await upstream('main1')
  const shadow = await toldUpstream()
  const cutover = await define('shop', {
    pools: {
      main: { servers: { main1: main.url } },
      shadow: { servers: { s: { url: shadow.url, proxyProtocol: 'v1' } } },
    },
    split: { main: 100 },
    mirror: { to: 'shadow' },
  })
  const client = await RawConnection.connect(cutover.proxy)
  await client.ask(['GET /copied HTTP/1.1', 'host: a'])
  await until(() => shadow.used().length === 1)
  expect(shadow.used()[0]?.client).toBe(`127.0.0.1:${client.socket.localPort}`)
  client.destroy()
})

test('an upgrade and a preview', async () => {
  const server = await toldUpstream()
  const cutover = await define('shop', { pools: one({ url: server.url, proxyProtocol: 'v2' }) })
  const preview = await fetch(`${cutover.admin}/preview/shop/main/`)
  expect(await preview.text()).toBe('nobody')
})

test('many clients, one after the other: no lost request, and connections of clients that are gone are closed', async () => {
  const server = await toldUpstream()
  const cutover = await define('shop', {
    pools: one({ url: server.url, proxyProtocol: 'v2' }),
    connections: { keepAlive: '600ms' },
  })
  const agent = new http.Agent({ keepAlive: false })
  const ask = (): Promise<number> =>
    new Promise((resolve, reject) => {
      http
        .get(cutover.proxy, { agent }, (response) => {
          response.resume().on('end', () => resolve(response.statusCode ?? 0))
        })
        .on('error', reject)
    })
  const statuses: number[] = []
  for (let i = 0; i < 30; i++) statuses.push(...(await Promise.all(Array.from({ length: 10 }, ask))))
  expect(statuses.filter((status) => status !== 200)).toEqual([])
  expect(server.used()).toHaveLength(300)
  agent.destroy()
})
