import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import type { RawMessage } from '../support/raw-client.ts'
import { ask, connect, endAll, speaking, startCutover } from './support.ts'

let cutover: Cutover
let server: Awaited<ReturnType<typeof speaking>>
/** Fields that the server adds to its response. */
let answered: string[] = []

beforeAll(async () => {
  server = await speaking(() => ['HTTP/1.1 200 OK', ...answered, 'content-length: 2', '', 'ok'].join('\r\n'))
  cutover = await startCutover({ app: { servers: [server] } })
})

afterAll(endAll)

async function forwarded(...lines: string[]): Promise<RawMessage> {
  const response = await ask(cutover, ['GET / HTTP/1.1', 'host: app.test', ...lines])
  expect([response.status, response.text]).toEqual([200, 'ok'])
  return server.requests.at(-1) as RawMessage
}

async function returned(...lines: string[]): Promise<RawMessage> {
  answered = lines
  const response = await ask(cutover, ['GET / HTTP/1.1', 'host: app.test'])
  expect([response.status, response.text]).toEqual([200, 'ok'])
  return response
}

describe('W6 on the way to the server', () => {
  test.each([
    'Keep-Alive: timeout=5',
    'Upgrade: foo',
    'Proxy-Connection: keep-alive',
    'TE: trailers, deflate;q=0.5',
    'Trailer: Expires',
    'Proxy-Authorization: Basic eDp5',
    'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
  ])('%s ends here, and the request is served', async (line) => {
    const name = line.slice(0, line.indexOf(':'))
    for (const spelling of [line, line.replace(name, name.toLowerCase()), line.replace(name, name.toUpperCase())]) {
      const request = await forwarded(spelling, 'X-Other: stays')
      expect(request.all(name)).toEqual([])
      expect(request.field('x-other')).toBe('stays')
    }
  })

  test('an upgrade to something that the server does not want is served as a plain request', async () => {
    const request = await forwarded('Connection: upgrade', 'Upgrade: foo')
    expect(request.field('upgrade')).toBe('foo')
  })

  test.each(['h2c', 'HTTP/2.0', 'TLS/1.0'])('an upgrade to %s is not passed on', async (protocol) => {
    const request = await forwarded(
      'Connection: Upgrade, HTTP2-Settings',
      `Upgrade: ${protocol}`,
      'HTTP2-Settings: AAM',
    )
    expect([request.all('upgrade'), request.all('http2-settings')]).toEqual([[], []])
    expect(request.field('connection') ?? '').not.toContain('pgrade')
  })

  test('what Connection names ends here', async () => {
    const request = await forwarded(
      'Connection: close, X-Hop ,x-second',
      'connection: X-Third',
      'X-Hop: 1',
      'x-hop: 2',
      'X-Second: 1',
      'x-third: 1',
      'X-Hopper: stays',
    )
    for (const name of ['x-hop', 'x-second', 'x-third']) expect(request.all(name)).toEqual([])
    expect(request.field('x-hopper')).toBe('stays')
    expect(request.field('connection') ?? '').not.toMatch(/hop|second|third/i)
  })

  test('naming ours in Connection does not take them away', async () => {
    const names = [
      'Host',
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Host',
      'X-Forwarded-Port',
      'X-Request-Id',
      'Via',
    ]
    const request = await forwarded(`Connection: ${names.join(', ')}`)
    for (const name of names) expect(request.all(name)).toHaveLength(1)
    expect(request.field('host')).toBe('app.test')
    expect(request.field('x-forwarded-for')).toBe('127.0.0.1')
  })

  test('naming Content-Length in Connection does not take the body away', async () => {
    const lines = [
      'POST / HTTP/1.1',
      'host: app.test',
      'connection: content-length, transfer-encoding',
      'content-length: 4',
    ]
    expect((await ask(cutover, lines, 'body')).status).toBe(200)
    expect(server.requests.at(-1)?.text).toBe('body')
  })

  test('Connection: close is between the client and the proxy only', async () => {
    answered = []
    const client = await connect(cutover)
    const response = await client.ask(['GET / HTTP/1.1', 'host: app.test', 'connection: close'])
    expect(response.field('connection')).toBe('close')
    expect(await client.closed()).toBe('fin')
    expect(server.requests.at(-1)?.field('connection')).not.toBe('close')
  })
})

describe('W6 on the way to the client', () => {
  test.each(['Keep-Alive: timeout=7', 'Upgrade: h2c', 'Proxy-Connection: close', 'Trailer: Expires', 'TE: trailers'])(
    '%s ends here',
    async (line) => {
      const response = await returned(line, 'X-Other: stays')
      const [name = '', value] = line.split(': ')
      expect(response.all(name)).not.toContain(value)
      expect(response.field('x-other')).toBe('stays')
    },
  )

  test('what Connection names ends here; Content-Length does not', async () => {
    const response = await returned('Connection: X-Hop, content-length', 'X-Hop: 1', 'X-Hopper: stays')
    expect([response.all('x-hop'), response.field('x-hopper')]).toEqual([[], 'stays'])
    expect(response.field('content-length')).toBe('2')
  })

  test('a server that closes its connection leaves the client’s open', async () => {
    answered = ['Connection: close']
    const client = await connect(cutover)
    for (let i = 0; i < 3; i++) {
      const response = await client.ask(['GET / HTTP/1.1', 'host: app.test'])
      expect([response.text, response.field('connection')]).toEqual(['ok', 'keep-alive'])
    }
  })

  test('Proxy-Authenticate and the like are none of this, and stay', async () => {
    const response = await returned('WWW-Authenticate: Basic', 'Proxy-Authenticate: Basic', 'Age: 1')
    expect([response.field('www-authenticate'), response.field('proxy-authenticate'), response.field('age')]).toEqual([
      'Basic',
      'Basic',
      '1',
    ])
  })
})

describe('426 Upgrade Required', () => {
  test.each([
    ['a plain request', [], 'keep-alive, upgrade'],
    ['a request that closes', ['connection: close'], 'close, upgrade'],
    ['an upgrade to something else', ['connection: upgrade', 'upgrade: other'], 'close, upgrade'],
  ])('says to %s what it has to be upgraded to', async (_what, fields, connection) => {
    const wanting = await speaking(
      () =>
        'HTTP/1.1 426 Upgrade Required\r\nupgrade: chat, TLS/1.3\r\nconnection: Upgrade\r\ncontent-length: 4\r\n\r\nmore',
    )
    const demanding = await startCutover({ app: { servers: [wanting] } })
    const response = await ask(demanding, ['GET / HTTP/1.1', 'host: app.test', ...fields])
    expect([response.status, response.text]).toEqual([426, 'more'])
    expect([response.all('upgrade'), response.all('connection')]).toEqual([['chat, TLS/1.3'], [connection]])
  })
})

describe('a reason phrase goes through byte for byte', () => {
  test.each([
    ['as usual', 'OK'],
    ['another', 'Fine by me'],
    ['none', ''],
    ['UTF-8', '\xc3\x87a va \xe2\x9c\x93'],
    ['UTF-8 of two bytes only', 'tr\xc3\xa8s bien'],
  ])('%s', async (_what, reason) => {
    const saying = await speaking(() => `HTTP/1.1 200 ${reason}\r\ncontent-length: 2\r\n\r\nok`)
    const passing = await startCutover({ app: { servers: [saying] } })
    for (const lines of [
      ['GET / HTTP/1.1'],
      ['POST / HTTP/1.1', 'content-length: 0', 'expect: 100-continue'],
      ['GET / HTTP/1.1', 'connection: upgrade', 'upgrade: x'],
    ]) {
      const response = await ask(passing, [...lines, 'host: app.test'])
      expect([response.startLine, response.text]).toEqual([`HTTP/1.1 200 ${reason}`, 'ok'])
    }
  })
})
