import { forgedResponse } from './bodies.ts'
import { BAD_BODY, BODY_FAULTS, ODD_BODY } from './chunk-faults.ts'
import { type Draft, reframed, textOf, withLine, withLineEnd } from './draft.ts'
import type { ResponseFate } from './plan.ts'
import type { Whose } from './request-faults.ts'

/** One way of not being a good response. `at`: somewhere. Returns the response's text. */
type Damage = (draft: Draft, at: number, whose: Whose) => string

export interface ResponseFault {
  readonly fate: ResponseFate
  readonly damage: Damage
  /** What becomes of the server's connection, if not what would without the fault. */
  readonly ending?: 'keep' | 'fin' | 'reset'
  /** Only in a response that has one. */
  readonly needsBody?: boolean
  /** Only where the request has not asked for it. */
  readonly isUnasked?: boolean
  /** Sent in one piece: the proxy cannot tell from a response what comes after it had its next request. */
  readonly inOneGo?: boolean
  /** What the client sees where it gets it, if that is not what it would see without the fault. */
  readonly body?: (id: string, at: number) => string
  readonly status?: number
}

const line =
  (text: string): Damage =>
  (draft, at) =>
    textOf(withLine(draft, text, at))

const start =
  (edit: (start: string) => string): Damage =>
  (draft) =>
    textOf({ ...draft, start: edit(draft.start) })

const status = (text: string): Damage => start((line) => line.replace(/ \d{3} /, text))
const version = (text: string): Damage => start((line) => line.replace(/^HTTP\/1\.[01]/, text))

const framed =
  (payload: string, ...lines: readonly string[]): Damage =>
  (draft, at) =>
    textOf(reframed(as11(draft), lines, payload, at))

/** Whoever believes the one framing or the other finds another response where the body ends. */
const framing =
  (...lines: readonly string[]): Damage =>
  (draft, at, { id }) =>
    textOf(reframed(as11(draft), lines, `0\r\n\r\n${forgedResponse(id)}`, at))

const odd = () => ODD_BODY

const behind =
  (surplus: (id: string) => string): Damage =>
  (draft, at, { id }) =>
    textOf(reframed(as11(draft), [`Content-Length: ${ODD_BODY.length}`], ODD_BODY + surplus(id), at))

const behindChunks =
  (surplus: (id: string) => string): Damage =>
  (draft, at, { id }) =>
    textOf(reframed(as11(draft), ['Transfer-Encoding: chunked'], `5\r\nhello\r\n0\r\n\r\n${surplus(id)}`, at))

const truncatedHead: Damage = (draft, at) => {
  const head = textOf({ ...draft, payload: '' })
  return head.slice(0, 1 + ((at * 7_919) % (head.length - 1)))
}

const longBody = (id: string, at: number) => id + 'truncated '.repeat(at % 5 === 0 ? 5_000 : 5)

/** Without its last bytes, or nearly all of them, in the framing it has. */
const truncated =
  (...lines: readonly string[]): Damage =>
  (draft, at, { id }) => {
    const body = longBody(id, at)
    const isChunked = lines[0] === 'Transfer-Encoding: chunked'
    const payload = isChunked ? `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body
    const named = lines.map((line) => line.replace('LENGTH', String(body.length)))
    const whole = reframed(as11(draft), named, payload, at)
    return textOf({ ...whole, payload: payload.slice(0, (at * 7_919) % payload.length) })
  }

function as11(draft: Draft): Draft {
  return { ...draft, start: draft.start.replace(/^HTTP\/1\.0/, 'HTTP/1.1') }
}

const BAD_LENGTHS = [
  '',
  'x',
  '5x',
  '-5',
  '+5',
  '5 5',
  '5,6',
  '0x5',
  '5.0',
  '\x0b5',
  '\xb2',
  '18446744073709551621',
  '5;a',
]
const BAD_CODINGS = [
  ...[
    '',
    'gzip',
    'identity',
    'xchunked',
    'chunkedx',
    '"chunked"',
    'chunked, chunked',
    'gzip, chunked',
    'chunked, gzip',
  ],
  ...['chunked, identity', 'chunked;q=1', '\x0bchunked', 'chu nked', 'identity,chunked'],
]
const BAD_STARTS = [
  'SSH-2.0-x',
  'HTTP/1.1 abc OK',
  'HTTP1.1 200 OK',
  'ICY 200 OK',
  'HTTP/1.1',
  '200 OK',
  '\0',
  '{"a":1}',
  '',
]
const BAD_VERSIONS = ['HTTP/9.9', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1', 'HTTP/11', 'HTTP/1.10', 'http/1.1', 'HTTP/1,1']
const BAD_STATUSES = [
  ' 000 ',
  ' 099 ',
  ' 99 ',
  ' 1000 ',
  ' 20 ',
  ' 2 ',
  '  200 ',
  ' -200 ',
  ' 2x0 ',
  ' 0200 ',
  ' +200 ',
  ' 200OK ',
]
const BAD_NAMES = ['X A: 1', 'X(: 1', 'X\0: 1', 'X\xe9: 1', ': 1', 'nonsense', 'X{}: 1', 'X\x01: 1', '\x7f: 1']
const BAD_VALUES = ['X-A: a\0b', 'X-A: a\x01b', 'X-A: a\x7fb', 'X-A: a\rb', 'X-A: a\x0b']

const named = (fate: ResponseFate, what: string, values: readonly string[], damage: (value: string) => Damage) =>
  values.map((value): [string, ResponseFault] => [
    `${what} ${JSON.stringify(value)}`,
    { fate, damage: damage(value), inOneGo: true },
  ])

const bad = (what: string, damage: Damage): [string, ResponseFault] => [what, { fate: 'bad', damage, inOneGo: true }]

const upgrade = (what: string, text: string): [string, ResponseFault] => [
  what,
  { fate: 'bad', damage: () => text, isUnasked: true },
]

/** A response whose body has come, and ends before something follows that nobody asked for. */
const surplus = (what: string, text: (id: string) => string): [string, ResponseFault][] => {
  const common = { fate: 'whole or bad', inOneGo: true, needsBody: true, ending: 'keep', body: odd } as const
  return [
    [`${what} behind a length`, { ...common, damage: behind(text) }],
    [`${what} behind the last chunk`, { ...common, damage: behindChunks(text) }],
  ]
}

const brokenOff = (what: string, ...lines: readonly string[]) =>
  (['fin', 'reset'] as const).map((ending): [string, ResponseFault] => [
    `${what}, broken off (${ending})`,
    { fate: 'broken', damage: truncated(...lines), needsBody: true, ending, body: longBody },
  ])

/** Everything that can be wrong with a response, by name. */
export const RESPONSE_FAULTS: ReadonlyMap<string, ResponseFault> = new Map([
  ...named('bad', 'a start', BAD_STARTS, (text) => start(() => text)),
  ...named('bad', 'a version', BAD_VERSIONS, version),
  ...named('whole or bad', 'a version', ['HTTP/1.2'], version),
  ...named('bad', 'a status', BAD_STATUSES, status),
  ['status 600', { fate: 'whole or bad', damage: status(' 600 '), status: 600 }],
  ['status 999', { fate: 'whole or bad', damage: status(' 999 '), status: 999 }],
  bad('CL and TE', framing('Content-Length: 5', 'Transfer-Encoding: chunked')),
  bad('TE and CL', framing('transfer-encoding: chunked', 'content-length: 5')),
  bad('two lengths', framing('Content-Length: 5', 'Content-Length: 6')),
  bad('two lengths, one of them 0', framing('Content-Length: 0', 'content-length: 5')),
  ...named('bad', 'a length', BAD_LENGTHS, (value) => framing(`Content-Length: ${value}`)),
  ...named('bad', 'a coding', BAD_CODINGS, (value) => framing(`Transfer-Encoding: ${value}`)),
  bad('chunked in two lines', framing('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')),
  bad('gzip, and chunked in another line', framing('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked')),
  ...named('bad', 'a name', BAD_NAMES, line),
  ...named('bad', 'a value', BAD_VALUES, line),
  bad('a head that is too large', line(`X-A: ${'x'.repeat(100_000)}`)),
  upgrade('an upgrade', 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
  upgrade('an upgrade to nothing', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'),
  ['nothing', { fate: 'bad', damage: () => '', ending: 'fin' }],
  ['a reset', { fate: 'bad', damage: () => '', ending: 'reset' }],
  ['a truncated head (fin)', { fate: 'bad', damage: truncatedHead, ending: 'fin' }],
  ['a truncated head (reset)', { fate: 'bad', damage: truncatedHead, ending: 'reset' }],
  ...brokenOff('a length', 'Content-Length: LENGTH'),
  ...brokenOff('chunks', 'Transfer-Encoding: chunked'),
  // The end of the connection is the end of this one: only a reset breaks it off.
  [
    'no framing, broken off (reset)',
    { fate: 'broken', damage: truncated(), needsBody: true, ending: 'reset', body: longBody },
  ],
  ...surplus('another response', forgedResponse),
  ...surplus('garbage', () => '\r\ngarbage'),
  ...surplus('one byte', () => 'x'),
  ...surplus('a NUL', () => '\0'),
  [
    'a body where there is none (304)',
    { fate: 'whole or bad', damage: behind(forgedResponse), status: 304, inOneGo: true, body: () => '' },
  ],
  [
    'a body where there is none (204)',
    { fate: 'whole or bad', damage: behind(forgedResponse), status: 204, inOneGo: true, body: () => '' },
  ],
  [
    'the same length twice',
    {
      fate: 'whole or bad',
      damage: framed(ODD_BODY, 'Content-Length: 5', 'Content-Length: 5'),
      body: odd,
      needsBody: true,
    },
  ],
  [
    'a list of lengths',
    { fate: 'whole or bad', damage: framed(ODD_BODY, 'Content-Length: 5, 5'), body: odd, needsBody: true },
  ],
  ['no space behind the status', { fate: 'whole or bad', damage: start((line) => line.slice(0, 12)) }],
  ['a space before a colon', { fate: 'whole or bad', damage: line('X-Odd : 1') }],
  ['a folded line', { fate: 'whole or bad', damage: line('X-Odd: 1\r\n 2') }],
  ['a bare LF', { fate: 'whole or bad', damage: (draft, at) => withLineEnd(draft, '\n', at) }],
  bad('a bare CR', (draft, at) => withLineEnd(draft, '\r', at % (draft.lines.length + 1))),
  ...BODY_FAULTS.map(([name, fate, payload]): [string, ResponseFault] => [
    name,
    {
      fate: fate === 'bad' ? 'broken' : 'whole or bad',
      damage: framed(payload, 'Transfer-Encoding: chunked'),
      needsBody: true,
      body: fate === 'bad' ? () => BAD_BODY : odd,
    },
  ]),
])
