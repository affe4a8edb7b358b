import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { CallHandler } from '../../src/http1/outbound-call.ts'
import { Names } from '../../src/net/names.ts'
import { Connections } from '../../src/proxy/upstream/connections.ts'
import { Cutover } from '../support/cutover.ts'
import { DnsServer } from '../support/dns-server.ts'
import { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import { Listening } from '../support/upstream.ts'
import { ask, endAll, endWithAll } from './support.ts'

afterAll(endAll)

/** A server at an address of this machine that answers with that address; `port` 0 = any. */
async function serverAt(host: string, port = 0): Promise<{ port: number; probes: () => number; close(): unknown }> {
  let probes = 0
  const server = http.createServer((request, response) => {
    if (request.url === '/healthz') probes++
    request.resume().on('end', () => response.end(host))
  })
  server.listen(port, host)
  await once(server, 'listening')
  const listening = new Listening(server)
  const close = () => (server.listening ? listening.close() : undefined)
  endWithAll(close)
  return { port: (server.address() as AddressInfo).port, probes: () => probes, close }
}

describe('a Cutover whose names are looked up at a DNS server', () => {
  let dns: DnsServer
  let cutover: Cutover

  beforeAll(async () => {
    dns = await DnsServer.start()
    cutover = await Cutover.start({ services: {}, env: dns.env })
    endWithAll(async () => {
      await cutover.stop('SIGKILL')
      dns.close()
    })
  })

  async function define(name: string, url: string, service: object = {}): Promise<void> {
    const pools = { main: { servers: { a: url } } }
    const definition = { hosts: [`${name}.test`], health: { interval: '20ms' }, pools, ...service }
    expect((await cutover.api('PUT', `/api/services/${name}`, definition)).status).toBe(200)
    await until(async () => (await server(name)).health === 'up', 15_000)
  }

  async function server(name: string) {
    return (await cutover.api('GET', `/api/services/${name}`)).body.pools[0].servers[0]
  }

  function get(name: string) {
    return ask(cutover, ['GET / HTTP/1.1', `host: ${name}.test`])
  }

  test('a name that stops resolving keeps its last address: nothing goes down, and requests are served', async () => {
    const app = await serverAt('127.0.0.1')
    dns.records.set('gone.internal', ['127.0.0.1'])
    await define('gone', `http://gone.internal:${app.port}`, { connections: { keepAlive: '0s' } })
    dns.records.delete('gone.internal')
    const before = app.probes()
    await until(() => app.probes() > before + 10, 15_000)
    expect(await server('gone')).toMatchObject({ health: 'up', lastProbe: { error: null } })
    expect((await get('gone')).text).toBe('127.0.0.1')
  })

  test('a name that moves when its server goes: probes and requests follow, within seconds', async () => {
    const old = await serverAt('127.0.0.1')
    const next = await serverAt('127.0.0.2', old.port)
    dns.records.set('moving.internal', ['127.0.0.1'])
    await define('moving', `http://moving.internal:${old.port}`)
    expect((await get('moving')).text).toBe('127.0.0.1')
    dns.records.set('moving.internal', ['127.0.0.2'])
    await old.close()
    await until(async () => (await get('moving')).text === '127.0.0.2', 15_000)
    await until(() => next.probes() > 0, 15_000)
    await until(async () => (await server('moving')).health === 'up', 15_000)
  })

  test('of several addresses, the next one is tried when the first refuses: by requests and by probes', async () => {
    const app = await serverAt('127.0.0.5')
    dns.records.set('several.internal', ['127.0.0.4', '127.0.0.5', '127.0.0.3'])
    await define('several', `http://several.internal:${app.port}`)
    for (let i = 0; i < 5; i++) expect((await get('several')).text).toBe('127.0.0.5')
  })

  test.each(['127.0.0.1', '::1'])('localhost finds a server that listens at %s only', async (address) => {
    const app = await serverAt(address)
    const name = address === '::1' ? 'local6' : 'local4'
    await define(name, `http://localhost:${app.port}`)
    expect((await get(name)).text).toBe(address)
  })

  test('a server at [::1]: requests, bodies sent after their head, trailers and upgrades', async () => {
    const app = await serverAt('::1')
    await define('six', `http://[::1]:${app.port}`)
    const to = ['POST / HTTP/1.1', 'host: six.test']
    expect((await ask(cutover, [...to, 'content-length: 2'], 'hi')).text).toBe('::1')
    const chunks = '2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n'
    expect((await ask(cutover, [...to, 'trailer: x-sum', 'transfer-encoding: chunked'], chunks)).text).toBe('::1')
    const client = await RawConnection.connect(cutover.proxy)
    client.send(`${to.join('\r\n')}\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n`)
    expect((await client.head()).status).toBe(100)
    expect((await client.send('hi').response()).text).toBe('::1')
    client.destroy()
    const upgrade = await ask(cutover, ['GET / HTTP/1.1', 'host: six.test', 'connection: upgrade', 'upgrade: chat'])
    expect([upgrade.status, upgrade.text]).toEqual([200, '::1'])
  })

  test('a name that never resolved: 502, and it is found as soon as it does', async () => {
    const app = await serverAt('127.0.0.1')
    const pools = { main: { servers: { a: `http://late.internal:${app.port}` } } }
    await cutover.api('PUT', '/api/services/late', { hosts: ['late.test'], health: 'off', pools })
    const refused = await get('late')
    expect([refused.status, refused.field('proxy-status')]).toEqual([502, 'cutover; error=dns_error'])
    dns.records.set('late.internal', ['127.0.0.1'])
    expect((await get('late')).text).toBe('127.0.0.1')
  })
})

test('a name that moves while its old server lives: what is under way ends there, new requests go to the new one', async () => {
  let held: http.ServerResponse | null = null
  const old = http.createServer((request, response) => {
    if (request.url === '/held') held = response
    else response.end('old')
  })
  old.listen(0, '127.0.0.1')
  await once(old, 'listening')
  endWithAll(() => new Listening(old).close())
  const { port } = old.address() as AddressInfo
  await serverAt('127.0.0.2', port)

  let address = '127.0.0.1'
  const names = new Names({ refreshMs: 5, lookup: (_n, _o, callback) => callback(null, [{ address, family: 4 }]) })
  const connections = new Connections(
    { address: { url: `http://app.internal:${port}` }, connectMs: 5_000, keepAliveMs: 60_000 },
    names,
  )
  endWithAll(() => connections.closeIdle())
  const get = (path: string): Promise<string> =>
    new Promise((resolve, reject) => {
      let text = ''
      const handler: CallHandler = {
        onSent: () => undefined,
        onServerReady: () => undefined,
        onInterim: () => undefined,
        onResponse: ({ body }) => {
          body.isBare = true
        },
        onResponseBody: (piece) => {
          text += piece.toString()
        },
        onRead: () => undefined,
        onResponseEnd: () => resolve(text),
        onUpgrade: () => reject(new Error('upgraded')),
        onFailed: ({ kind }) => reject(new Error(kind)),
      }
      const request = {
        method: 'GET',
        path,
        lines: 'host: app.internal\r\n',
        body: 'none',
        upgrade: '',
        takesTrailers: false,
      } as const
      connections.start(connections.call(request, handler), false)
    })

  expect(await get('/')).toBe('old')
  const slow = get('/held')
  await until(() => held !== null, 15_000)
  expect(await get('/')).toBe('old')
  address = '127.0.0.2'
  await until(async () => (await get('/')) === '127.0.0.2', 15_000)
  for (let i = 0; i < 10; i++) expect(await get('/')).toBe('127.0.0.2')
  ;(held as unknown as http.ServerResponse).end('old and whole')
  expect(await slow).toBe('old and whole')
})
