import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADDRESS, AUTHORITY, CLIENT, type KeyPair, LOCALHOST, UP_TEST } from '../support/certificates.ts'
import { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { Listening } from '../support/upstream.ts'
import { ask, connect, endAll, endWithAll, logged } from './support.ts'

interface Seen {
  /** Name that was asked for in the TLS handshake; false = none. */
  readonly serverName: string | false
  readonly host: string | undefined
  readonly client: string | undefined
}

/** An HTTPS server on 127.0.0.1 that answers everything with ok and agrees to every upgrade. */
class SecureServer {
  readonly requests: Seen[] = []
  readonly probes: Seen[] = []
  readonly listening: Listening

  private constructor(server: https.Server) {
    this.listening = new Listening(server)
    const record = (request: IncomingMessage): void => {
      const socket = request.socket as TLSSocket & { servername: string | false }
      const { CN } = socket.getPeerCertificate().subject ?? {}
      const list = request.url === '/healthz' ? this.probes : this.requests
      list.push({ serverName: socket.servername, host: request.headers.host, client: CN?.toString() })
    }
    server.on('request', (request, response) => {
      record(request)
      request.resume().on('end', () => response.end('ok'))
    })
    server.on('upgrade', (request, socket) => {
      record(request)
      socket.end('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\nhello')
    })
  }

  static async start(pair: KeyPair, options: https.ServerOptions = {}): Promise<SecureServer> {
    const server = https.createServer({ ...pair, ...options })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const secure = new SecureServer(server)
    endWithAll(() => secure.listening.close())
    return secure
  }

  get port(): number {
    return this.listening.port
  }
}

let folder: string
let cutover: Cutover
let named: SecureServer
let unprobed: SecureServer
let upTest: SecureServer
let address: SecureServer
let mutual: SecureServer

const HEALTH = { interval: '20ms', host: 'health.example.com' }

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-tls-'))
  endWithAll(() => rm(folder, { recursive: true, force: true }))
  await writeFile(file('ca.pem'), AUTHORITY)
  await writeFile(file('client.pem'), CLIENT.cert)
  await writeFile(file('client.key'), CLIENT.key)
  named = await SecureServer.start(LOCALHOST)
  unprobed = await SecureServer.start(LOCALHOST)
  upTest = await SecureServer.start(UP_TEST)
  address = await SecureServer.start(ADDRESS)
  mutual = await SecureServer.start(LOCALHOST, { ca: AUTHORITY, requestCert: true, rejectUnauthorized: true })
  const ca = file('ca.pem')
  cutover = await Cutover.start({
    services: {
      ...service('named', `https://localhost:${named.port}`, { ca }),
      ...service('told', `https://127.0.0.1:${upTest.port}`, { ca, serverName: 'up.test' }),
      ...service('address', `https://127.0.0.1:${address.port}`, { ca }),
      ...service('mutual', `https://localhost:${mutual.port}`, {
        ca,
        cert: file('client.pem'),
        key: file('client.key'),
      }),
      ...service('believing', `https://localhost:${upTest.port}`, { insecure: true }),
      ...service('unprobed', `https://localhost:${unprobed.port}`, { ca }, 'off'),
      ...service('anonymous', `https://localhost:${mutual.port}`, { ca }, 'off'),
      ...service('other', `https://localhost:${upTest.port}`, { ca }, 'off'),
      ...service('unknown', `https://localhost:${named.port}`, {}, 'off'),
    },
  })
  endWithAll(() => cutover.stop('SIGKILL'))
  for (const name of ['named', 'told', 'address', 'mutual', 'believing']) {
    await until(async () => (await cutover.api('GET', `/api/services/${name}`)).body.pools[0].up === 1, 15_000)
  }
})

afterAll(endAll)

function file(name: string): string {
  return join(folder, name)
}

/** A service below `/NAME`, whatever the Host. */
function service(name: string, url: string, tls: object, health: object | 'off' = HEALTH): object {
  return { [name]: { paths: [`/${name}`], health, pools: { main: { servers: { a: { url, tls } } } } } }
}

test('whatever Hosts clients send, each is answered, over one connection and by the name of the server', async () => {
  const hosts = ['shop.example.com', 'www.example.org:8443', '127.0.0.1', 'localhost', '[::1]', 'shop.example.com']
  const client = await connect(cutover)
  for (const host of hosts) {
    const response = await client.ask(['GET /unprobed/ HTTP/1.1', `host: ${host}`])
    expect([response.status, response.text]).toEqual([200, 'ok'])
    expect(last(unprobed.requests)).toMatchObject({ serverName: 'localhost', host })
  }
  expect(unprobed.listening.accepted).toBe(1)
})

test.each([
  ['named', () => named, 'localhost'],
  ['told', () => upTest, 'up.test'],
  ['address', () => address, false],
  ['mutual', () => mutual, 'localhost'],
  ['believing', () => upTest, 'localhost'],
] as const)(
  '%s: requests, bodies sent after their head, upgrades and probes alike',
  async (name, server, serverName) => {
    const host = 'host: shop.example.com'
    expect((await ask(cutover, [`GET /${name}/ HTTP/1.1`, host])).text).toBe('ok')
    expect(last(server().requests)).toMatchObject({ serverName, host: 'shop.example.com' })

    const trailing = ['trailer: x-sum', 'transfer-encoding: chunked']
    const post = await ask(cutover, [`POST /${name}/ HTTP/1.1`, host, ...trailing], '2\r\nhi\r\n0\r\nx-sum: 1\r\n\r\n')
    expect(post.text).toBe('ok')
    expect(last(server().requests)).toMatchObject({ serverName })

    const client = await connect(cutover)
    client.send(`GET /${name}/ HTTP/1.1\r\n${host}\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n`)
    expect((await client.head()).status).toBe(101)
    expect(await client.rest()).toBe('hello')
    expect(last(server().requests)).toMatchObject({ serverName })

    const probe = server().probes.find((each) => each.serverName === serverName)
    expect(probe?.host).toBe('health.example.com')
    const { body } = await cutover.api('GET', `/api/services/${name}`)
    expect(body.pools[0].servers[0]).toMatchObject({ health: 'up', lastProbe: { ok: true, error: null } })
  },
)

test('a server that asks for a certificate gets ours, with requests and with probes', async () => {
  await ask(cutover, ['GET /mutual/ HTTP/1.1', 'host: x'])
  expect([last(mutual.requests)?.client, last(mutual.probes)?.client]).toEqual(['client', 'client'])
})

test.each([
  ['other', 'whose certificate is for another name'],
  ['unknown', 'whose authority is not trusted'],
  // It says so when the connection stands already, and hangs up: which of the two is seen first is chance.
  ['anonymous', 'that does not get the certificate it asks for', /tls_protocol_error|connection_terminated/],
])('%s: a server %s gets no request; 502, and the log says why', async (name, _why, error = /tls_protocol_error/) => {
  const before = named.requests.length + upTest.requests.length + mutual.requests.length
  expect((await ask(cutover, [`GET /${name}/ HTTP/1.1`, 'host: localhost'])).status).toBe(502)
  expect(await logged(cutover, `/${name}/`)).toMatchObject({
    status: 502,
    error: expect.stringMatching(error),
  })
  expect(named.requests.length + upTest.requests.length + mutual.requests.length).toBe(before)
})

test('the settings of a server that stays are followed at once, by requests and by probes', async () => {
  const url = `https://localhost:${upTest.port}`
  const definition = (tls: object) => ({
    paths: ['/changing'],
    health: { interval: '20ms' },
    timeouts: { handover: 0 },
    pools: { main: { servers: { a: { url, tls } } } },
  })
  const answer = async () => (await ask(cutover, ['GET /changing/ HTTP/1.1', 'host: x'])).status
  const ca = file('ca.pem')
  for (const [serverName, health, status] of [
    ['up.test', 'up', 200],
    ['localhost', 'down', 503],
  ] as const) {
    expect((await cutover.api('PUT', '/api/services/changing?force', definition({ ca, serverName }))).status).toBe(200)
    const found = async () => (await cutover.api('GET', '/api/services/changing')).body.pools[0].servers[0]
    await until(async () => (await found()).health === health, 15_000)
    await until(async () => (await answer()) === status, 15_000)
  }
})

test('files that are missing or are no certificates are refused by their key, and change nothing', async () => {
  await writeFile(file('nonsense.pem'), 'nonsense')
  const put = async (url: string, tls: object) => {
    const pools = { main: { servers: { a: { url, tls } } } }
    const { status, body } = await cutover.api('PUT', '/api/services/refused', { pools, paths: ['/refused'] })
    expect(status).toBe(422)
    return (body.errors ?? body.problems).map(
      (each: { path: string; message: string }) => `${each.path} ${each.message}`,
    )
  }
  const [cert, key] = [file('client.pem'), file('client.key')]
  const at = 'pools.main.servers.a.tls'
  const https = 'https://app.test:1'
  expect(await put(https, { ca: file('absent.pem') })).toEqual([
    expect.stringMatching(`^${at}.ca .*absent.pem cannot be read`),
  ])
  expect(await put(https, { ca: file('nonsense.pem') })).toEqual([
    expect.stringMatching(`^${at}.ca .*is not a PEM certificate`),
  ])
  // Reading it would never end, and the control process waits for it.
  expect(await put(https, { ca: '/dev/zero' })).toEqual([`${at}.ca /dev/zero cannot be read: it is not a regular file`])
  expect(await put(https, { cert, key: cert })).toEqual([
    expect.stringMatching(`^${at}.key .*is not a PEM private key`),
  ])
  expect(await put(https, { cert: file('ca.pem'), key })).toEqual([
    expect.stringMatching(`^${at}.key .*is not the key of`),
  ])
  expect(await put(https, { cert })).toEqual([expect.stringMatching(`^${at}.key is missing`)])
  expect(await put(https, { serverName: '10.0.0.1' })).toEqual([
    expect.stringMatching(`^${at}.serverName expected a host name`),
  ])
  expect(await put('http://app.test:1', { ca: file('ca.pem') })).toEqual([expect.stringMatching(`^${at} is for https`)])
  expect((await cutover.api('GET', '/api/services/refused')).status).toBe(404)
})

function last(list: readonly Seen[]): Seen | undefined {
  return list.at(-1)
}
