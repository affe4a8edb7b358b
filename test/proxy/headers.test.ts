import { describe, expect, test } from 'vitest'
import { RequestHead } from '../../src/proxy/client/request-head.ts'
import { hasUnknownCoding, responseFields } from '../../src/proxy/upstream/response-head.ts'

const UNTRUSTED = { address: '203.0.113.7', localPort: '8080', trusted: false }
const TRUSTED = { ...UNTRUSTED, trusted: true }
const POLICY = { forwarded: false, traceSample: 1 }

function upstream(raw: readonly string[], connection = UNTRUSTED, prefix = ''): [string, string][] {
  return pairs(new RequestHead(raw).forUpstream(connection, 'id-1', '1.1', prefix, POLICY))
}

function pairs(flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] ?? '', flat[2 * i + 1] ?? ''])
}

describe('a request’s head', () => {
  test('goes upstream with what is ours, and the end-to-end fields first, in order and spelling', () => {
    expect(upstream(['Host', 'a.test', 'X-B', '2', 'x-a', '1', 'Content-Length', '3'])).toEqual([
      ['X-B', '2'],
      ['x-a', '1'],
      ['host', 'a.test'],
      ['x-forwarded-for', '203.0.113.7'],
      ['x-forwarded-proto', 'http'],
      ['x-forwarded-host', 'a.test'],
      ['x-forwarded-port', '8080'],
      ['x-request-id', 'id-1'],
      ['via', '1.1 cutover'],
      ['traceparent', expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/)],
      ['content-length', '3'],
    ])
  })

  test.each([
    [['Content-Length', '0'], false],
    [['Content-Length', '1'], true],
    [['Transfer-Encoding', 'chunked'], true],
    [['X', '1'], false],
  ])('%j has a body: %s', (raw, expected) => {
    expect(new RequestHead(raw).hasBody).toBe(expected)
  })

  test('counts hosts and lengths, and joins transfer codings', () => {
    const head = new RequestHead(['Host', 'a', 'HOST', 'b', 'content-length', '1', 'Content-Length', '2'])
    expect([head.hosts, head.host, head.contentLengths]).toEqual([2, 'b', 2])
    const coded = new RequestHead(['Transfer-Encoding', 'gzip', 'transfer-encoding', 'chunked'])
    expect(coded.transferEncoding).toBe('gzip, chunked')
  })

  test('Transfer-Encoding does not go upstream: the body is framed anew', () => {
    const names = upstream(['Host', 'a', 'Transfer-Encoding', 'chunked']).map(([name]) => name.toLowerCase())
    expect(names).not.toContain('transfer-encoding')
    expect(names).not.toContain('content-length')
  })

  test.each([
    ['close', ['x-a', 'x-b']],
    ['keep-alive', ['x-a', 'x-b']],
    ['x-a', ['x-b']],
    ['X-A,x-b', []],
    [' x-b , close,, ', ['x-a']],
    ['x-a\t,\tx-b', []],
    ['close, upgrade, keep-alive', ['x-a', 'x-b']],
  ])('Connection: %s leaves %j', (connection, left) => {
    const names = upstream(['X-A', '1', 'Connection', connection, 'X-B', '2', 'Host', 'a']).map(([name]) => name)
    expect(names.filter((name) => /^x-[ab]$/i.test(name)).map((name) => name.toLowerCase())).toEqual(left)
    expect(names).toContain('host')
    expect(names.map((name) => name.toLowerCase())).not.toContain('connection')
  })

  test('of a trusted proxy’s fields the last word counts where there is only one, and lists are joined', () => {
    const raw = ['Host', 'a', 'X-Forwarded-For', '1.1.1.1', 'X-Forwarded-Proto', 'http', 'x-forwarded-proto', 'https']
    const fields = new Map(upstream([...raw, 'x-forwarded-for', '2.2.2.2', 'Via', '1.0 a', 'via', '1.1 b'], TRUSTED))
    expect(fields.get('x-forwarded-for')).toBe('1.1.1.1, 2.2.2.2, 203.0.113.7')
    expect(fields.get('x-forwarded-proto')).toBe('https')
    expect(fields.get('via')).toBe('1.0 a, 1.1 b, 1.1 cutover')
  })

  test('a stripped prefix is told, behind a trusted proxy’s', () => {
    const raw = ['Host', 'a', 'X-Forwarded-Prefix', '/outer']
    expect(new Map(upstream(raw, UNTRUSTED, '/api')).get('x-forwarded-prefix')).toBe('/api')
    expect(new Map(upstream(raw, TRUSTED, '/api')).get('x-forwarded-prefix')).toBe('/outer/api')
    expect(new Map(upstream(raw, UNTRUSTED)).has('x-forwarded-prefix')).toBe(false)
  })

  test.each([
    ['abc-123', true, 'abc-123'],
    ['abc-123', false, ''],
    ['x'.repeat(128), true, 'x'.repeat(128)],
    ['x'.repeat(129), true, ''],
    ['a b', true, ''],
    ['a"b', true, ''],
    ['a\\b', true, ''],
    ['', true, ''],
  ])('the id %j, trusted %s, is %j', (id, trusted, expected) => {
    expect(new RequestHead(['X-Request-Id', id]).trustedRequestId(trusted)).toBe(expected)
  })

  test('any number of spellings of names is understood', () => {
    for (let i = 0; i < 10_000; i++) {
      // Bits of i decide which letters are capitals.
      const name = [...'transfer-encoding'].map((c, at) => ((i >> at) & 1 ? c.toUpperCase() : c)).join('')
      expect(new RequestHead([name, 'chunked']).transferEncoding).toBe('chunked')
    }
    expect(new RequestHead(['host', 'still known']).host).toBe('still known')
  })
})

describe('a response’s fields', () => {
  test('lose what concerns the server’s connection only', () => {
    const fields = responseFields(
      {
        'x-a': '1',
        connection: 'X-B, keep-alive, Content-Length',
        'keep-alive': 'timeout=5',
        'proxy-connection': 'x',
        te: 'x',
        trailer: 'x',
        'transfer-encoding': 'chunked',
        upgrade: 'x',
        'x-b': 'named',
        'content-length': '5',
        'set-cookie': ['a=1', 'b=2'],
      },
      200,
    )
    expect(pairs(fields)).toEqual([
      ['x-a', '1'],
      ['content-length', '5'],
      ['set-cookie', 'a=1'],
      ['set-cookie', 'b=2'],
    ])
  })

  test.each([
    [undefined, false],
    ['chunked', false],
    ['Chunked', false],
    ['gzip', true],
    ['gzip, chunked', true],
    [['gzip', 'chunked'], true],
    [['chunked'], false],
  ])('the transfer coding %j cannot be undone here: %s', (coding, expected) => {
    expect(hasUnknownCoding(coding === undefined ? {} : { 'transfer-encoding': coding })).toBe(expected)
  })
})
