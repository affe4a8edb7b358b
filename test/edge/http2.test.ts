import { afterEach, describe, expect, test } from 'vitest'
import { Client2 } from '../support/http2.ts'
import { Load2 } from '../support/http2-load.ts'
import { until } from '../support/until.ts'
import { startUpstream } from '../support/upstream.ts'
import { AUTHORITY, Edge } from './support.ts'

const TRUST = { ca: AUTHORITY.cert, servername: 'localhost' }

let edge: Edge
afterEach(() => edge.stop())

async function client(): Promise<Client2> {
  return Client2.connect(edge.cutover.proxy, TRUST)
}

/** Clients on four connections. */
function startLoad(): Load2 {
  const names = ['upstream', 'green']
  return new Load2({ url: edge.cutover.proxy, clients: 16, streams: 4, names, session: TRUST })
}

describe('ALPN', () => {
  test('a client that offers h2 gets it, and the server learns of https', async () => {
    edge = await Edge.start({ handler: (request, response) => void response.end(JSON.stringify(request.headers)) })
    const connection = await client()
    const { status, body, reset } = await connection.get('/a', { ':authority': 'shop.example.com' })
    expect([status, reset]).toEqual([200, 0])
    expect(JSON.parse(String(body))).toMatchObject({
      host: 'shop.example.com',
      'x-forwarded-proto': 'https',
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-port': String(edge.port),
    })
    expect((await connection.session.socket) && connection.session.alpnProtocol).toBe('h2')
    connection.close()
    const line = await until(() => edge.cutover.accessLog().find(({ target }) => target === '/a'))
    expect(line.tls).toMatchObject({ version: 'TLSv1.3', serverName: 'localhost' })
  })

  test('one that does not offer it speaks HTTP/1.1 at the same port', async () => {
    edge = await Edge.start()
    for (const offered of [['http/1.1'], []]) {
      const socket = await edge.secure({ ALPNProtocols: offered })
      expect(socket.alpnProtocol).toBe(offered[0] ?? false)
      socket.end('GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
      expect(String(await socket.toArray())).toContain('HTTP/1.1 200 OK')
    }
  })

  test('nobody gets h2 where the listener does not list it', async () => {
    edge = await Edge.start({ tls: { alpn: ['http/1.1'] } })
    const socket = await edge.secure({ ALPNProtocols: ['h2', 'http/1.1'] })
    expect(socket.alpnProtocol).toBe('http/1.1')
    socket.destroy()
  })
})

test('switches, and workers that are replaced, under load of HTTP/2 over TLS: no request is lost', async () => {
  edge = await Edge.start({ proxy: { workers: 2 }, shutdown: { timeout: '20s' } })
  const green = await startUpstream(undefined, { name: 'green' })
  const { status } = await edge.cutover.api('PUT', '/api/services/shop/pools/green', { servers: { g1: green.url } })
  expect(status).toBe(200)
  const load = startLoad()
  await load.more(100)
  for (let i = 0; i < 10; i++) {
    const { status: switched } = await edge.cutover.api('POST', '/api/services/shop/switch?wait=10s', {})
    expect(switched).toBe(200)
    await load.more(20)
  }
  const { connections } = load
  edge.cutover.process.kill('SIGUSR2')
  await until(() => load.connections >= connections + 4, 60_000)
  await load.more(100)
  await load.stop()
  await green.close()
  expect(load.figures().failures).toEqual({})
})

test('a shutdown under load of HTTP/2 over TLS loses no request', async () => {
  edge = await Edge.start({ shutdown: { acceptFor: '1s', timeout: '20s' } })
  const load = startLoad()
  await load.more(100)
  edge.cutover.process.kill('SIGTERM')
  await until(async () => (await edge.cutover.api('GET', '/ready')).status === 503)
  await load.stop()
  expect(load.figures().failures).toEqual({})
  expect(await edge.cutover.exited).toEqual({ code: 0, signal: null })
})
