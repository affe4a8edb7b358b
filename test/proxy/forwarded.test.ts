import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import { RawConnection, type RawMessage } from '../support/raw-client.ts'
import { ask, endAll, endWithAll, logged, speaking, startCutover } from './support.ts'

const CLAIMS = {
  'X-Forwarded-For': '203.0.113.7, 198.51.100.1',
  'X-Forwarded-Proto': 'https',
  'X-Forwarded-Host': 'claimed.example',
  'X-Forwarded-Port': '8443',
  'X-Forwarded-Prefix': '/claimed',
  'X-Request-Id': 'claimed-id:1.2/3=4@5+6',
  Forwarded: 'for=203.0.113.7;proto=https',
}

let untrusting: Cutover
let trusting: Cutover
let server: Awaited<ReturnType<typeof speaking>>

beforeAll(async () => {
  server = await speaking((request) => {
    const own = request.startLine.includes('/own-id') ? 'x-request-id: of-the-server\r\n' : ''
    return `HTTP/1.1 200 OK\r\n${own}content-length: 0\r\n\r\n`
  })
  const sketches = { app: { servers: [server] }, api: { servers: [server], paths: ['/api'], stripPrefix: true } }
  untrusting = await startCutover(sketches)
  trusting = await startCutover(sketches, { proxy: { trustedProxies: ['127.0.0.1/32', '198.51.100.0/24'] } })
})

afterAll(endAll)

/** The request as the server sees it, and the response as the client does. */
async function forwarded(cutover: Cutover, target: string, fields: Readonly<Record<string, string>> = {}) {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`)
  const response = await ask(cutover, [`GET ${target} HTTP/1.1`, 'host: app.test:8080', ...lines])
  return { request: server.requests.at(-1) as RawMessage, response }
}

function portOf(cutover: Cutover): string {
  return new URL(cutover.proxy).port
}

/** Every way to write the hyphens of a name as hyphens or underscores, the name itself left out. */
function underscored(name: string): string[] {
  const [first = '', ...parts] = name.split('-')
  const all = parts.reduce((names, part) => names.flatMap((each) => [`${each}-${part}`, `${each}_${part}`]), [first])
  return all.filter((each) => each !== name)
}

describe('a field that CGI and WSGI cannot tell from one of ours is dropped', () => {
  const names = [
    ...['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Prefix'],
    ...['X-Request-Id', 'Proxy-Authorization', 'Keep-Alive', 'Proxy-Connection', 'HTTP2-Settings'],
  ].flatMap(underscored)

  test.each([
    ['untrusted', () => untrusting],
    ['trusted', () => trusting],
  ])('from an %s client, in any spelling', async (_who, cutover) => {
    const claims = Object.fromEntries(names.map((name, i) => [i % 2 === 0 ? name : name.toUpperCase(), '6.6.6.6']))
    const { request } = await forwarded(cutover(), '/underscores', { ...claims, my_own_field: 'kept' })
    expect(request.fields.filter(([, value]) => value.includes('6.6.6.6'))).toEqual([])
    expect(request.field('my_own_field')).toBe('kept')
    expect(request.field('x-forwarded-for')).toBe('127.0.0.1')
  })
})

describe('W9 from an untrusted client', () => {
  test.each([
    ['nothing', {}],
    ['claims, all overwritten', CLAIMS],
    ['claims in other spellings', Object.fromEntries(Object.entries(CLAIMS).map(([k, v]) => [k.toUpperCase(), v]))],
  ])('%s', async (_what, claims) => {
    const { request, response } = await forwarded(untrusting, '/untrusted', claims)
    expect(request.field('x-forwarded-for')).toBe('127.0.0.1')
    expect(request.field('x-forwarded-proto')).toBe('http')
    expect(request.field('x-forwarded-host')).toBe('app.test:8080')
    expect(request.field('x-forwarded-port')).toBe(portOf(untrusting))
    expect(request.field('x-forwarded-prefix')).toBe(undefined)
    expect(request.field('forwarded')).toBe(undefined)
    expect(request.field('host')).toBe('app.test:8080')
    const id = request.field('x-request-id')
    expect(id).toMatch(/^[\w-]{10,64}$/)
    expect(response.field('x-request-id')).toBe(id)
  })

  test('several X-Forwarded-For lines go as well', async () => {
    const lines = ['GET / HTTP/1.1', 'host: app.test', 'x-forwarded-for: 1.1.1.1', 'X-Forwarded-For: 2.2.2.2']
    await ask(untrusting, lines)
    expect(server.requests.at(-1)?.all('x-forwarded-for')).toEqual(['127.0.0.1'])
  })

  test('the log names the peer, whatever the client claims', async () => {
    await forwarded(untrusting, '/logged-untrusted', CLAIMS)
    expect((await logged(untrusting, '/logged-untrusted')).client).toBe('127.0.0.1')
  })

  test('every request gets an id of its own', async () => {
    const ids = new Set<unknown>()
    for (let i = 0; i < 50; i++) ids.add((await forwarded(untrusting, '/')).request.field('x-request-id'))
    expect(ids.size).toBe(50)
  })
})

describe('W9 from a trusted proxy', () => {
  test('X-Forwarded-For is appended to, the rest kept', async () => {
    const { request, response } = await forwarded(trusting, '/trusted', CLAIMS)
    expect(request.all('x-forwarded-for')).toEqual(['203.0.113.7, 198.51.100.1, 127.0.0.1'])
    expect(request.field('x-forwarded-proto')).toBe('https')
    expect(request.field('x-forwarded-host')).toBe('claimed.example')
    expect(request.field('x-forwarded-port')).toBe('8443')
    expect(request.field('x-forwarded-prefix')).toBe('/claimed')
    expect(request.field('forwarded')).toMatch(/^for=203\.0\.113\.7;proto=https/)
    expect(request.field('x-request-id')).toBe(CLAIMS['X-Request-Id'])
    expect(response.field('x-request-id')).toBe(CLAIMS['X-Request-Id'])
    const { client, requestId } = await logged(trusting, '/trusted')
    expect([client, requestId]).toEqual(['203.0.113.7', CLAIMS['X-Request-Id']])
  })

  test('where it says nothing, ours stand', async () => {
    const { request } = await forwarded(trusting, '/silent')
    expect(request.field('x-forwarded-for')).toBe('127.0.0.1')
    expect(request.field('x-forwarded-proto')).toBe('http')
    expect(request.field('x-forwarded-host')).toBe('app.test:8080')
    expect(request.field('x-forwarded-port')).toBe(portOf(trusting))
  })

  test('several lines of X-Forwarded-For are one list', async () => {
    const lines = ['GET / HTTP/1.1', 'host: app.test', 'x-forwarded-for: 203.0.113.7', 'X-Forwarded-For: 198.51.100.1']
    await ask(trusting, lines)
    expect(server.requests.at(-1)?.all('x-forwarded-for')).toEqual(['203.0.113.7, 198.51.100.1, 127.0.0.1'])
  })

  test('the stripped prefix comes behind the one that was stripped before', async () => {
    await ask(trusting, ['GET /api/x HTTP/1.1', 'host: api.test', 'x-forwarded-prefix: /outer'])
    expect(server.requests.at(-1)?.field('x-forwarded-prefix')).toBe('/outer/api')
  })

  test.each([
    ['spaces', 'a b'],
    ['too long', 'x'.repeat(129)],
    ['what would break a log line', '"},{"'],
    ['bytes that are not ASCII', 'caf\xe9'],
    ['nothing', ''],
  ])('an X-Request-Id with %s is replaced', async (_what, id) => {
    const { request, response } = await forwarded(trusting, '/', { 'x-request-id': id })
    expect(request.field('x-request-id')).toMatch(/^[\w-]{10,64}$/)
    expect(response.field('x-request-id')).toBe(request.field('x-request-id'))
  })

  test.each([
    ['from the right, the first that is not trusted', '192.0.2.1, 203.0.113.9, 198.51.100.4', '203.0.113.9'],
    ['all trusted: the first', '198.51.100.9, 198.51.100.4', '198.51.100.9'],
    ['IPv6', '2001:db8::7', '2001:db8::7'],
    ['no address at all: the peer', '"},{"client":"evil', '127.0.0.1'],
    ['unknown: the peer', 'unknown', '127.0.0.1'],
    ['empty entries', ', ,', '127.0.0.1'],
    ['garbage behind a trusted address: the peer', '127.0.0.1%"x,127.0.0.1', '127.0.0.1'],
    ['garbage left of a proxy: that proxy', '192.0.2.1, "}, 198.51.100.4', '198.51.100.4'],
    ['C1 controls: the peer', '127.0.0.1\x85\x9b', '127.0.0.1'],
    ['a zone: the peer', 'fe80::1%eth0', '127.0.0.1'],
    ['only digits and dots: the peer', '1.2.3', '127.0.0.1'],
    ['IPv4 with a port', '192.0.2.1:5000', '192.0.2.1'],
    ['IPv6 with a port', '[2001:db8::7]:5000', '2001:db8::7'],
    ['proxies with a port', '192.0.2.1:5000, 198.51.100.4:80, 127.0.0.1:8080', '192.0.2.1'],
    ['no number for a port: the peer', '192.0.2.1:http', '127.0.0.1'],
  ])('the client in the log: %s', async (what, list, client) => {
    const target = `/log-${what.replace(/\W/g, '-')}`
    await forwarded(trusting, target, { 'x-forwarded-for': list })
    expect((await logged(trusting, target)).client).toBe(client)
  })
})

test('a proxy is trusted by IPv6 networks as well', async () => {
  const proxy = { listen: '[::1]:0', trustedProxies: ['::1'] }
  const cutover = await startCutover({ app: { servers: [server] } }, { proxy })
  await ask(cutover, ['GET / HTTP/1.1', 'host: app.test', 'x-forwarded-for: 203.0.113.7'])
  expect(server.requests.at(-1)?.field('x-forwarded-for')).toBe('203.0.113.7, ::1')
})

test('an id that the server gives its response itself stays', async () => {
  const { response } = await forwarded(untrusting, '/own-id')
  expect(response.all('x-request-id')).toEqual(['of-the-server'])
})

test('Via names the protocol of each message, behind what was there', async () => {
  const lines = ['GET / HTTP/1.1', 'host: app.test', 'via: 1.0 fred', 'via: 1.1 ginger']
  const response = await ask(trusting, lines)
  expect(server.requests.at(-1)?.all('via')).toEqual(['1.0 fred, 1.1 ginger, 1.1 cutover'])
  expect(response.all('via')).toEqual(['1.1 cutover'])
  await ask(untrusting, ['GET / HTTP/1.0', 'host: app.test'])
  expect(server.requests.at(-1)?.all('via')).toEqual(['1.0 cutover'])
})

test('a client of HTTP/1.0 that names no host gets to the service for any, and the server its own name', async () => {
  const cutover = await Cutover.start({
    services: { any: { health: 'off', pools: { main: { servers: { a: server.server.url } } } } },
  })
  endWithAll(() => cutover.stop())
  await ask(cutover, ['GET /nameless HTTP/1.0'])
  expect(server.requests.at(-1)?.all('host')).toEqual([`127.0.0.1:${server.port}`])
})

test('of the Via of an untrusted client, only what shows a loop is kept', async () => {
  const lines = [
    'GET / HTTP/1.1',
    'host: app.test',
    'via: 1.0 fred, 1.1 cutover',
    'via: 1.1 ginger (cutover), 1.0 cutover',
  ]
  await ask(untrusting, lines)
  expect(server.requests.at(-1)?.all('via')).toEqual(['1.1 cutover, 1.0 cutover, 1.1 cutover'])
  await ask(untrusting, ['GET / HTTP/1.1', 'host: app.test', 'via: 1.0 fred'])
  expect(server.requests.at(-1)?.all('via')).toEqual(['1.1 cutover'])
})

describe('a client at a socket file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cutover-forwarded-'))
  afterAll(() => rmSync(folder, { recursive: true }))

  /** What the server sees of a request with these fields, and who the log says has sent it. */
  async function seen(name: string, workers: number, trustedProxies: readonly string[], fields: readonly string[]) {
    const path = join(folder, name)
    const proxy = { listen: `unix:${path}`, workers, trustedProxies }
    const cutover = await startCutover({ app: { servers: [server] } }, { proxy })
    const client = new RawConnection(net.connect(path))
    const response = await client.ask([`GET /${name} HTTP/1.1`, 'host: app.test', ...fields])
    expect(response.status).toBe(200)
    client.destroy()
    return { request: server.requests.at(-1) as RawMessage, client: (await logged(cutover, `/${name}`)).client }
  }

  const claims = ['x-forwarded-for: 203.0.113.7', 'x-forwarded-proto: https', 'x-forwarded-port: 443', 'via: 1.1 nginx']

  test.each([0, 1])('has no address, and none is made up (%i workers)', async (workers) => {
    const { request, client } = await seen(`nameless-${workers}`, workers, [], claims)
    expect([request.all('x-forwarded-for'), request.all('x-forwarded-port')]).toEqual([[], []])
    expect([request.field('x-forwarded-proto'), request.field('via')]).toEqual(['http', '1.1 cutover'])
    expect(client).toBe('unix')
  })

  test.each([0, 1])('is believed where trustedProxies names unix (%i workers)', async (workers) => {
    const { request, client } = await seen(`trusted-${workers}`, workers, ['unix'], claims)
    expect(request.all('x-forwarded-for')).toEqual(['203.0.113.7'])
    expect([request.field('x-forwarded-port'), request.field('x-forwarded-proto')]).toEqual(['443', 'https'])
    expect(request.field('via')).toBe('1.1 nginx, 1.1 cutover')
    expect(client).toBe('203.0.113.7')
  })

  test('that says nothing of its own client stands for none', async () => {
    const { request } = await seen('silent', 0, ['unix'], ['forwarded: for=203.0.113.7'])
    expect([request.all('x-forwarded-for'), request.all('x-forwarded-port')]).toEqual([[], []])
    expect(request.field('forwarded')).toBe('for=203.0.113.7, for=unknown;host="app.test";proto=http')
  })
})
