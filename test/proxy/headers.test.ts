import { describe, expect, test } from 'vitest'
import { HOST, TRANSFER_ENCODING } from '../../src/http1/field-names.ts'
import type { Fields } from '../../src/http1/fields.ts'
import { type BodyFraming, isRefusal, requestFraming, responseFraming } from '../../src/http1/framing.ts'
import { http1Version } from '../../src/http1/http-version.ts'
import {
  BAD_LENGTH,
  CHUNKED_TWICE,
  CODING_IN_1_0,
  LENGTH_AND_CODING,
  type MessageRefusal,
  TWO_LENGTHS,
  UNKNOWN_CODING,
} from '../../src/http1/refusal.ts'
import { RequestReader } from '../../src/http1/request-reader.ts'
import { ResponseReader } from '../../src/http1/response-reader.ts'
import { RequestHead } from '../../src/proxy/client/request-head.ts'
import { optionFor, responseLines } from '../../src/proxy/upstream/response-lines.ts'
import { NAMES } from '../../src/proxy/wire.ts'

const LIMITS = { startLineBytes: 8_192, fieldBytes: 16_384 }
const UNTRUSTED = { address: '203.0.113.7', localPort: '8080', trusted: false, tls: null }
const TRUSTED = { ...UNTRUSTED, trusted: true }
const POLICY = { forwarded: false, traceSample: 1 }
/** What a name means is the same in any spelling: a few of the ways to write one. */
const SPELLINGS = [(name: string) => name, (name: string) => name.toLowerCase(), (name: string) => name.toUpperCase()]

/** The fields of a request with these lines. */
function requestFields(...lines: readonly string[]): Fields {
  return read(new RequestReader(NAMES, LIMITS), ['GET / HTTP/1.1', ...lines])
}

/** The fields of a response with these lines. */
function responseFields(...lines: readonly string[]): Fields {
  return read(new ResponseReader(NAMES, LIMITS), ['HTTP/1.1 200 OK', ...lines])
}

function read(reader: RequestReader | ResponseReader, lines: readonly string[]): Fields {
  reader.read(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'))
  expect([reader.isDone, reader.refusal]).toEqual([true, null])
  return reader.fields
}

interface More {
  readonly client?: typeof UNTRUSTED
  readonly prefix?: string
  readonly policy?: typeof POLICY
  readonly minor?: number
  readonly isOptions?: boolean
}

/** The field lines for the server of a request with these lines. */
function upstream(
  lines: readonly string[],
  { client = UNTRUSTED, prefix = '', policy = POLICY, minor = 1, isOptions = false }: More = {},
) {
  const fields = requestFields(...lines)
  const framing = requestFraming(fields, minor)
  const hasBody = !isRefusal(framing) && framing.kind !== 'none'
  return split(
    new RequestHead(fields, http1Version(minor), hasBody, isOptions).linesFor(client, 'id-1', prefix, policy),
  )
}

function split(text: string): string[] {
  expect(text === '' || text.endsWith('\r\n')).toBe(true)
  return text.split('\r\n').slice(0, -1)
}

/** The values of all fields with this name, in any spelling. */
function valuesOf(lines: readonly string[], name: string): string[] {
  const start = `${name}: `
  return lines.filter((line) => line.toLowerCase().startsWith(start)).map((line) => line.slice(start.length))
}

const namesOf = (lines: readonly string[]) => lines.map((line) => line.slice(0, line.indexOf(':')))
const lowerNamesOf = (lines: readonly string[]) => namesOf(lines).map((name) => name.toLowerCase())

describe('a request’s head', () => {
  test('goes upstream with the end-to-end fields first, in order and spelling, and with what is ours', () => {
    expect(upstream(['X-B:2', 'hOST:  a.test ', 'x-a: 1', 'Content-Length: 3', 'Date: today', 'X-B: 4'])).toEqual([
      'X-B:2',
      'hOST:  a.test ',
      'x-a: 1',
      'Content-Length: 3',
      'Date: today',
      'X-B: 4',
      'x-forwarded-for: 203.0.113.7',
      'x-forwarded-proto: http',
      'x-forwarded-host: a.test',
      'x-forwarded-port: 8080',
      'x-request-id: id-1',
      'via: 1.1 cutover',
      expect.stringMatching(/^traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-01$/),
    ])
  })

  test('of a client of HTTP/1.0 that names no host has none, and says so in Via', () => {
    const lines = upstream(['X-A: 1'], { minor: 0 })
    expect([lines[0], valuesOf(lines, 'host')]).toEqual(['X-A: 1', []])
    expect(valuesOf(lines, 'via')).toEqual(['1.0 cutover'])
  })

  test('names neither address nor port of a peer at a socket file', () => {
    const lines = upstream(['Host: a', 'X-Forwarded-For: 1.1.1.1'], {
      client: { address: '', localPort: '', trusted: false, tls: null },
    })
    expect(lowerNamesOf(lines)).not.toContain('x-forwarded-for')
    expect(lowerNamesOf(lines)).not.toContain('x-forwarded-port')
    const trusted = upstream(['Host: a', 'X-Forwarded-For: 1.1.1.1'], {
      client: { address: '', localPort: '', trusted: true, tls: null },
    })
    expect(valuesOf(trusted, 'x-forwarded-for')).toEqual(['1.1.1.1'])
  })

  test('has the last of several hosts, which are counted', () => {
    const fields = requestFields('Host: a', 'X: 1', 'HOST: b')
    expect([fields.countOf(HOST), new RequestHead(fields, '1.1', false).host]).toEqual([2, 'b'])
  })

  test('Transfer-Encoding does not go upstream: whoever sends the request frames it', () => {
    const names = lowerNamesOf(upstream(['Host: a', 'Transfer-Encoding: chunked']))
    expect(names).not.toContain('transfer-encoding')
    expect(names).not.toContain('content-length')
  })

  test('loses what concerns the client’s connection only, and what is told to proxies', () => {
    const dropped = ['Keep-Alive', 'Proxy-Connection', 'TE', 'Upgrade', 'Proxy-Authorization', 'HTTP2-Settings']
    for (const spelled of SPELLINGS) {
      expect(upstream([...dropped.map((name) => `${spelled(name)}: dropped`), 'Host: a']).join()).not.toContain(
        'dropped',
      )
    }
  })

  test.each([
    ['close', ['x-a', 'x-b']],
    ['keep-alive', ['x-a', 'x-b']],
    ['x-a', ['x-b']],
    ['X-A,x-b', []],
    [' x-b , close,, ', ['x-a']],
    ['x-a\t,\tx-b', []],
    ['close, upgrade, keep-alive', ['x-a', 'x-b']],
    ['close\r\nconnection: x-a\r\nX-C: 1\r\nCONNECTION: x-b', []],
    ['host, content-length, date, x-a', ['x-b']],
  ])('Connection: %s leaves %j', (connection, left) => {
    const ours = ['Content-Length: 3', 'Host: a', 'Date: today']
    const lines = upstream(['X-A: 1', `Connection: ${connection}`, 'X-B: 2', ...ours])
    expect(lowerNamesOf(lines).filter((name) => /^x-[ab]$/.test(name))).toEqual(left)
    expect(lines).toEqual(expect.arrayContaining(ours))
    expect(lowerNamesOf(lines)).not.toContain('connection')
  })

  test('what Connection names is set all the same where it is ours', () => {
    const named = ['x-forwarded-for', 'x-forwarded-proto', 'x-request-id', 'via', 'traceparent']
    const names = lowerNamesOf(upstream([`Connection: ${named.join(', ')}`, 'Host: a']))
    expect(names).toEqual(expect.arrayContaining(named))
  })

  test('of a trusted proxy’s fields the last word counts where there is only one, and lists are joined', () => {
    const raw = ['Host: a', 'X-Forwarded-For: 1.1.1.1', 'X-Forwarded-Proto: http', 'x-forwarded-proto: https']
    const more = ['x-forwarded-for: 2.2.2.2', 'Via: 1.0 a', 'via: 1.1 b', 'X-Forwarded-Host: b', 'X-Forwarded-Port: 1']
    const lines = upstream([...raw, ...more], { client: TRUSTED })
    expect(valuesOf(lines, 'x-forwarded-for')).toEqual(['1.1.1.1, 2.2.2.2, 203.0.113.7'])
    expect(valuesOf(lines, 'x-forwarded-proto')).toEqual(['https'])
    expect(valuesOf(lines, 'x-forwarded-host')).toEqual(['b'])
    expect(valuesOf(lines, 'x-forwarded-port')).toEqual(['1'])
    expect(valuesOf(lines, 'via')).toEqual(['1.0 a, 1.1 b, 1.1 cutover'])
  })

  test('of an untrusted client’s fields of that kind, nothing goes on', () => {
    const names = ['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Prefix']
    const others = ['X-Request-Id', 'Forwarded', 'Traceparent', 'Tracestate', 'Via']
    for (const spelled of SPELLINGS) {
      const lines = upstream(['Host: a', ...[...names, ...others].map((name) => `${spelled(name)}: claimed`)])
      expect(lines.join()).not.toContain('claimed')
    }
  })

  test('Forwarded is added where a trusted proxy has sent it, or by policy', () => {
    const raw = ['Host: a', 'Forwarded: for=1.1.1.1', 'forwarded: for=2.2.2.2']
    const own = 'for=203.0.113.7;host="a";proto=http'
    expect(valuesOf(upstream(raw, { client: TRUSTED }), 'forwarded')).toEqual([`for=1.1.1.1, for=2.2.2.2, ${own}`])
    const policy = { ...POLICY, forwarded: true }
    expect(valuesOf(upstream(raw, { policy }), 'forwarded')).toEqual([own])
    const six = upstream(['Host: a'], { policy, client: { ...UNTRUSTED, address: '2001:db8::1' } })
    expect(valuesOf(six, 'forwarded')).toEqual(['for="[2001:db8::1]";host="a";proto=http'])
  })

  test('a trace goes on behind a trusted proxy, with its state, unless it is told twice or malformed', () => {
    const trace = (digit: string) => `00-${digit.repeat(32)}-${digit.repeat(16)}-00`
    const raw = ['Host: a', `Traceparent: ${trace('a')}`, 'Tracestate: x=1', 'tracestate: y=2']
    const lines = upstream(raw, { client: TRUSTED })
    expect(valuesOf(lines, 'traceparent')).toEqual([expect.stringMatching(/^00-a{32}-(?!a{16})[0-9a-f]{16}-00$/)])
    expect(valuesOf(lines, 'tracestate')).toEqual(['x=1, y=2'])
    for (const broken of [
      [...raw, `traceparent: ${trace('b')}`],
      ['Host: a', 'Traceparent: 00-x', 'Tracestate: x=1'],
    ]) {
      const anew = upstream(broken, { client: TRUSTED })
      expect(valuesOf(anew, 'traceparent')).toEqual([expect.stringMatching(/^00-(?!a{32}|b{32})[0-9a-f]{32}-/)])
      expect(valuesOf(anew, 'tracestate')).toEqual([])
    }
  })

  test('a stripped prefix is told, behind a trusted proxy’s', () => {
    const raw = ['Host: a', 'X-Forwarded-Prefix: /outer']
    expect(valuesOf(upstream(raw, { prefix: '/api' }), 'x-forwarded-prefix')).toEqual(['/api'])
    expect(valuesOf(upstream(raw, { client: TRUSTED, prefix: '/api' }), 'x-forwarded-prefix')).toEqual(['/outer/api'])
    expect(valuesOf(upstream(raw), 'x-forwarded-prefix')).toEqual([])
  })

  test.each([
    ['a body', ['Content-Length: 3'], 1, true],
    ['a chunked body', ['Transfer-Encoding: chunked'], 1, true],
    ['no body', [], 1, false],
    ['an empty one', ['Content-Length: 0'], 1, false],
    ['a body over HTTP/1.0', ['Content-Length: 3'], 0, false],
  ])('Expect goes upstream with a body that is awaited: with %s', (_what, framing, minor, expected) => {
    const raw = ['Host: a', 'Expect: 100-Continue', ...framing]
    expect(valuesOf(upstream(raw, { minor }), 'expect')).toEqual(expected ? ['100-continue'] : [])
    expect(valuesOf(upstream(['Host: a', ...framing], { minor }), 'expect')).toEqual([])
  })

  test('announced trailers stay announced with a chunked body only', () => {
    const raw = ['Host: a', 'Trailer: x-sum', 'trailer: x-more']
    expect(valuesOf(upstream([...raw, 'Transfer-Encoding: chunked']), 'trailer')).toEqual(['x-sum, x-more'])
    expect(valuesOf(upstream([...raw, 'Content-Length: 3']), 'trailer')).toEqual([])
  })

  test.each([
    [['5'], 5, '4'],
    [['1'], 1, '0'],
    [['0'], 0, '0'],
    [['999999999'], 999_999_999, '999999998'],
    // What is no number stays what it is.
    [['9999999999'], null, '9999999999'],
    [['-1'], null, '-1'],
    [['5x'], null, '5x'],
    [['5', '6'], null, '5, 6'],
    [[''], null, ''],
  ])('Max-Forwards %j counts as %s and goes on as %j', (values, counted, left) => {
    const raw = values.map((value) => `Max-Forwards: ${value}`)
    expect(new RequestHead(requestFields(...raw), '1.1', false, true).maxForwards).toBe(counted)
    const forwarded = valuesOf(upstream(['Host: a', ...raw], { isOptions: true }), 'max-forwards')
    expect(forwarded).toEqual(counted === null ? values : [left])
    // It counts for OPTIONS alone.
    expect(valuesOf(upstream(['Host: a', ...raw]), 'max-forwards')).toEqual(values)
  })

  test('Max-Forwards is not made up', () => {
    expect(new RequestHead(requestFields('Host: a'), '1.1', false).maxForwards).toBe(null)
    expect(lowerNamesOf(upstream(['Host: a']))).not.toContain('max-forwards')
  })

  test.each([
    ['Upgrade: chat, Chat/2', 'Connection: upgrade', 1, 'chat, Chat/2'],
    ['UPGRADE: websocket', 'connection: keep-alive, Upgrade', 1, 'websocket'],
    ['Upgrade: websocket', 'Connection: keep-alive', 1, ''],
    ['Upgrade: websocket', 'X: upgrade', 1, ''],
    ['X: websocket', 'Connection: upgrade', 1, ''],
    ['Upgrade: websocket', 'Connection: upgrade', 0, ''],
    ['Upgrade: h2c', 'Connection: upgrade', 1, ''],
    ['Upgrade: H2', 'Connection: upgrade', 1, ''],
    ['Upgrade: HTTP/3', 'Connection: upgrade', 1, ''],
    ['Upgrade: TLS/1.3', 'Connection: upgrade', 1, ''],
  ])('with %s and %s of HTTP/1.%i asks for %j', (upgrade, connection, minor, expected) => {
    expect(new RequestHead(requestFields('Host: a', upgrade, connection), http1Version(minor), false).upgrade).toBe(
      expected,
    )
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
    ['first\r\nx-request-id: last', true, 'last'],
  ])('the id %j, trusted %s, is %j', (id, trusted, expected) => {
    const head = new RequestHead(requestFields(`X-Request-Id: ${id}`), '1.1', false)
    expect(head.trustedRequestId(trusted)).toBe(expected)
  })

  test('any number of spellings of names is understood', () => {
    for (let i = 0; i < 10_000; i++) {
      // Bits of i decide which letters are capitals.
      const name = [...'transfer-encoding'].map((c, at) => ((i >> at) & 1 ? c.toUpperCase() : c)).join('')
      expect(requestFields(`${name}: chunked`).joined(TRANSFER_ENCODING)).toBe('chunked')
    }
    expect(new RequestHead(requestFields('host: still known'), '1.1', false).host).toBe('still known')
  })
})

describe('a field that CGI and WSGI cannot tell from a known one', () => {
  /** Every way to write the hyphens of a name as hyphens or underscores, the name itself left out. */
  function underscored(name: string): string[] {
    const [first = '', ...parts] = name.split('-')
    const all = parts.reduce((names, part) => names.flatMap((each) => [`${each}-${part}`, `${each}_${part}`]), [first])
    return all.filter((each) => each !== name)
  }

  const KNOWN = [
    ...['Content-Length', 'Transfer-Encoding', 'Keep-Alive', 'Proxy-Connection', 'Proxy-Authorization'],
    ...['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Prefix'],
    ...['X-Request-Id', 'HTTP2-Settings', 'Max-Forwards'],
  ]

  test.each(KNOWN)('%s: every one with underscores is dropped, in any spelling', (name) => {
    for (const client of [UNTRUSTED, TRUSTED]) {
      const aliases = underscored(name).flatMap((alias) => SPELLINGS.map((spelled) => spelled(alias)))
      const lines = upstream(['A: 1', ...aliases.map((alias) => `${alias}: 6.6.6.6`), 'Host: a', 'my_own: 2'], {
        client,
      })
      expect(lines.slice(0, 3)).toEqual(['A: 1', 'Host: a', 'my_own: 2'])
      expect(lines.join()).not.toContain('6.6.6.6')
    }
  })

  test('names with underscores that are no such stay', () => {
    const names = ['_', '__proto__', 'X_Forwarded', 'X_Forwarded_For_', '_Host', 'Ho_st', 'X_Forwarded_Fo']
    const lines = names.map((name) => `${name}: 1`)
    expect(upstream([...lines, 'Host: a']).slice(0, names.length)).toEqual(lines)
  })

  test.each([
    ['Transfer_Encoding', true],
    ['transfer_encoding', true],
    ['CONTENT_LENGTH', true],
    ['Content_Length', true],
    ['X_Forwarded_For', false],
    ['Keep_Alive', false],
    ['Transfer-Encoding', false],
    ['Content-Length', false],
    ['Transfer_Encodin', false],
    ['Content__Length', false],
  ])('%s makes a request ambiguous: %s', (name, expected) => {
    expect(new RequestHead(requestFields('Host: a', `${name}: 5`, 'X_Y: 1'), '1.1', false).isAmbiguous).toBe(expected)
  })
})

const length = (bytes: number): BodyFraming => ({ kind: 'length', length: bytes })
const NONE: BodyFraming = { kind: 'none', length: 0 }
const CHUNKED: BodyFraming = { kind: 'chunked', length: -1 }
const CLOSE: BodyFraming = { kind: 'close', length: -1 }

describe('the framing of a request', () => {
  test.each<[string, string[], number, BodyFraming | MessageRefusal]>([
    ['no field', ['X: 1'], 1, NONE],
    ['an empty body', ['Content-Length: 0'], 1, NONE],
    ['a length', ['content-LENGTH: 1'], 1, length(1)],
    ['a length with zeros', ['Content-Length: 007'], 1, length(7)],
    ['a length over HTTP/1.0', ['Content-Length: 5'], 0, length(5)],
    ['the largest length', ['Content-Length: 999999999999999'], 1, length(999_999_999_999_999)],
    ['chunks', ['Transfer-Encoding: chunked'], 1, CHUNKED],
    ['chunks in capitals', ['Transfer-Encoding: Chunked'], 1, CHUNKED],
    ['two lengths', ['Content-Length: 1', 'content-length: 2'], 1, TWO_LENGTHS],
    ['one length twice', ['Content-Length: 1', 'content-length: 1'], 1, TWO_LENGTHS],
    ['a list of lengths', ['Content-Length: 1, 1'], 1, BAD_LENGTH],
    ['no length', ['Content-Length: '], 1, BAD_LENGTH],
    ['a sign', ['Content-Length: +1'], 1, BAD_LENGTH],
    ['another base', ['Content-Length: 0x1'], 1, BAD_LENGTH],
    ['a length that is no exact number', ['Content-Length: 1000000000000000'], 1, BAD_LENGTH],
    ['a length and chunks', ['Content-Length: 1', 'Transfer-Encoding: chunked'], 1, LENGTH_AND_CODING],
    ['chunks and no body', ['Transfer-Encoding: chunked', 'Content-Length: 0'], 1, LENGTH_AND_CODING],
    ['chunks over HTTP/1.0', ['Transfer-Encoding: chunked'], 0, CODING_IN_1_0],
    ['another coding', ['Transfer-Encoding: gzip'], 1, UNKNOWN_CODING],
    ['two codings', ['Transfer-Encoding: gzip, chunked'], 1, UNKNOWN_CODING],
    ['two codings in two lines', ['Transfer-Encoding: gzip', 'transfer-encoding: chunked'], 1, UNKNOWN_CODING],
    ['chunks twice', ['Transfer-Encoding: chunked, Chunked'], 1, CHUNKED_TWICE],
    ['chunks twice, in two lines', ['Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'], 1, CHUNKED_TWICE],
    ['chunks around another coding', ['Transfer-Encoding: chunked, gzip, chunked'], 1, UNKNOWN_CODING],
    ['no coding', ['Transfer-Encoding: '], 1, UNKNOWN_CODING],
    ['identity', ['Transfer-Encoding: identity'], 1, UNKNOWN_CODING],
  ])('%s', (_what, lines, minor, expected) => {
    expect(requestFraming(requestFields(...lines), minor)).toEqual(expected)
  })
})

describe('the framing of a response', () => {
  test.each<[string, string[], BodyFraming | MessageRefusal]>([
    ['no field', [], CLOSE],
    ['a length', ['Content-Length: 5'], length(5)],
    ['chunks', ['Transfer-Encoding: chunked'], CHUNKED],
    ['chunks in capitals', ['Transfer-Encoding: Chunked'], CHUNKED],
    // What cannot be undone here must not be forwarded as if it were not coded.
    ['gzip', ['Transfer-Encoding: gzip'], UNKNOWN_CODING],
    ['gzip in chunks', ['Transfer-Encoding: gzip, chunked'], UNKNOWN_CODING],
    ['gzip in chunks, in two lines', ['Transfer-Encoding: gzip', 'Transfer-Encoding: chunked'], UNKNOWN_CODING],
    ['chunks twice', ['Transfer-Encoding: chunked, chunked'], UNKNOWN_CODING],
    ['two lengths', ['Content-Length: 5', 'Content-Length: 5'], TWO_LENGTHS],
    ['what is no length', ['Content-Length: five'], BAD_LENGTH],
    ['a length and chunks', ['Content-Length: 5', 'Transfer-Encoding: chunked'], LENGTH_AND_CODING],
  ])('%s', (_what, lines, expected) => {
    expect(responseFraming(responseFields(...lines), 200, 1, false)).toEqual(expected)
    // Where there is no body, the fields must make sense all the same.
    const bodiless = 'rule' in expected ? expected : NONE
    for (const status of [103, 204, 304]) {
      expect(responseFraming(responseFields(...lines), status, 1, false)).toEqual(bodiless)
    }
    expect(responseFraming(responseFields(...lines), 200, 1, true)).toEqual(bodiless)
  })

  test('chunks over HTTP/1.0', () => {
    expect(responseFraming(responseFields('Transfer-Encoding: chunked'), 200, 0, false)).toEqual(CODING_IN_1_0)
    expect(responseFraming(responseFields(), 200, 0, false)).toEqual(CLOSE)
  })
})

describe('a response’s fields', () => {
  test('lose what concerns the server’s connection only, and keep order and spelling', () => {
    const fields = responseFields(
      'X-A: 1',
      'Connection: X-B, keep-alive, Content-Length',
      'Keep-Alive: timeout=5',
      'proxy-connection: x',
      'TE: x',
      'Trailer: x',
      'Transfer-Encoding: chunked',
      'Upgrade: x',
      'x-b: named',
      'Content-Length:5',
      'Set-Cookie: a=1',
      'X_B: not named',
      'set-cookie:  b=2',
    )
    const kept = ['X-A: 1', 'Content-Length:5', 'Set-Cookie: a=1', 'X_B: not named', 'set-cookie:  b=2']
    expect(split(responseLines(fields, 200))).toEqual(kept)
  })

  test.each(['close', 'keep-alive', 'Keep-Alive', 'close, upgrade', ''])('Connection: %s names nothing', (option) => {
    expect(responseLines(responseFields('X-A: 1', `Connection: ${option}`), 200)).toBe('X-A: 1\r\n')
  })

  test('with names that mean something in requests are like any others', () => {
    const lines = ['Host: a', 'Expect: x', 'Via: 1.1 a', 'X-Forwarded-For: 1', 'X_Forwarded_For: 2', 'Max-Forwards: 3']
    const more = ['Forwarded: for=a', 'X-Request-Id: 4', 'Traceparent: 5', 'Tracestate: 6', 'Date: today']
    expect(split(responseLines(responseFields(...lines, ...more), 200))).toEqual([...lines, ...more])
  })

  test('a 204 loses its Content-Length, and whatever Connection names; no other status does', () => {
    const lines = ['A: 1', 'content-length: 0', 'B: 2']
    const named = [...lines, 'Connection: B']
    expect(split(responseLines(responseFields(...lines), 204))).toEqual(['A: 1', 'B: 2'])
    expect(split(responseLines(responseFields(...named), 204))).toEqual(['A: 1'])
    for (const status of [200, 205, 304]) {
      expect(split(responseLines(responseFields(...lines), status))).toEqual(lines)
      expect(split(responseLines(responseFields(...named), status))).toEqual(lines.slice(0, 2))
    }
  })

  test('a 426 names the protocols, which Connection must name; no other status does', () => {
    const fields = responseFields('Upgrade: chat', 'A: 1', 'Connection: upgrade, B', 'B: 2', 'upgrade: TLS/1.3')
    expect(split(responseLines(fields, 426))).toEqual(['A: 1', 'upgrade: chat, TLS/1.3'])
    expect(optionFor(fields, 426)).toBe('upgrade')
    expect(split(responseLines(fields, 400))).toEqual(['A: 1'])
    expect(optionFor(fields, 400)).toBe('')
    const silent = responseFields('A: 1')
    expect(split(responseLines(silent, 426))).toEqual(['A: 1'])
    expect(optionFor(silent, 426)).toBe('')
  })
})
