import { smuggledRequest } from './bodies.ts'
import { BODY_FAULTS, ODD_BODY } from './chunk-faults.ts'
import { type Draft, reframed, textOf, withLine, withLineEnd, without } from './draft.ts'
import type { RequestFate } from './plan.ts'

/** Whose request it is. */
export interface Whose {
  readonly id: string
  readonly host: string
}

/** One way of not being a good request. `at`: somewhere. Returns the request's text. */
type Damage = (draft: Draft, at: number, whose: Whose) => string

export interface RequestFault {
  readonly fate: RequestFate
  readonly leaves?: 'fin' | 'reset'
  readonly damage: Damage
  /** What the server sees where it is forwarded, if that is not what it would have seen without the fault. */
  readonly target?: (id: string) => string
  readonly body?: string
}

const line =
  (text: string): Damage =>
  (draft, at) =>
    textOf(withLine(draft, text, at))

const host =
  (value: (host: string) => string): Damage =>
  (draft, at, whose) =>
    textOf(withLine(without(draft, 'host'), `Host: ${value(whose.host)}`, at))

/** Whoever believes the one framing or the other finds another request where the body ends. */
const framing =
  (...lines: readonly string[]): Damage =>
  (draft, at, { id, host }) =>
    textOf(reframed(as11(draft), lines, `0\r\n\r\n${smuggledRequest(id, host)}`, at))

const start =
  (edit: (start: string, at: number, whose: Whose) => string): Damage =>
  (draft, at, whose) =>
    textOf({ ...draft, start: edit(draft.start, at, whose) })

const version = (text: string): Damage => start((line) => line.replace(/HTTP\/1\.[01]$/, text))

/** Into the target, anywhere but at its ends. */
const target = (text: string): Damage =>
  start((line, at) => {
    const [method = '', target = '', version = ''] = line.split(' ')
    const place = 1 + (at % (target.length - 1))
    return `${method} ${target.slice(0, place)}${text}${target.slice(place)} ${version}`
  })

const method = (name: string): Damage => start((line) => line.replace(/^\S+/, name))

const wholeTarget = (edit: (path: string, whose: Whose) => string): Damage =>
  start((line, _at, whose) => line.replace(/ \S+ /, ` ${edit(`/${whose.id}`, whose)} `))

/** In the middle of the message, the client goes. */
const brokenOff: Damage = (draft, at) => {
  const text = textOf(draft)
  return text.slice(0, 1 + ((at * 7_919) % (text.length - 1)))
}

function as11(draft: Draft): Draft {
  return { ...draft, start: draft.start.replace(/1\.0$/, '1.1') }
}

const BAD_LENGTHS = [
  ...['', 'x', '5x', '-5', '+5', '5 5', '5,5', '5, 5', '5,6', '0x5', '5.0', '1e1', '\x0b5', '5\xa0', '\xb2'],
  ...['18446744073709551621', '99999999999999999999999', '5;a=b', '"5"'],
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
  ...['chunked, identity', 'chunked;q=1', '\x0bchunked', 'chunked\x0b', 'chu nked', 'chunked\xa0', 'identity,chunked'],
]
const BAD_NAMES = ['X A: 1', 'X(: 1', 'X@: 1', 'X\0: 1', 'X\xe9: 1', 'X\t: 1', 'X-A : 1', ': 1', 'nonsense', 'X{}: 1']
const BAD_VALUES = ['X-A: a\0b', 'X-A: a\x01b', 'X-A: a\x7fb', 'X-A: a\rb', 'X-A: a\r\n b', 'X-A:\r\n\tb', 'X-A: a\x0b']
const BAD_VERSIONS = [
  ...[
    'HTTP/1.2',
    'HTTP/2.0',
    'HTTP/0.9',
    'HTTP/3.0',
    'HTTP/1',
    'HTTP/1.',
    'HTTP/11',
    'HTTP/1.10',
    'http/1.1',
    'HTTP/01.1',
  ],
  ...['HTTP/1,1', 'HTTP/x.y', 'HTTPS/1.1', 'ICE/1.0', 'HTTP/1.1 x', ''],
]
const SMUGGLED_FRAMING = [
  ...['Transfer_Encoding: chunked', 'Content_Length: 5', 'Transfer-Encoding : chunked', 'Transfer-Encoding\t: chunked'],
  ...[
    'Content-Length : 5',
    ' Transfer-Encoding: chunked',
    'Transfer-Encoding:\r\n chunked',
    'X: a\r\n Content-Length: 5',
  ],
  ...['Transfer-Encoding', 'Content-Length\0: 5', 'X: \nTransfer-Encoding: chunked', 'X: \rTransfer-Encoding: chunked'],
]

const named = (what: string, values: readonly string[], fault: (value: string) => Damage) =>
  values.map((value): [string, RequestFault] => [
    `${what} ${JSON.stringify(value)}`,
    { fate: 'refused', damage: fault(value) },
  ])

const refused = (what: string, damage: Damage): [string, RequestFault] => [what, { fate: 'refused', damage }]
const either = (what: string, damage: Damage): [string, RequestFault] => [
  what,
  { fate: 'forwarded or refused', damage },
]

/** Everything that can be wrong with a request, by name. */
export const REQUEST_FAULTS: ReadonlyMap<string, RequestFault> = new Map([
  refused('no Host', (draft) => textOf(without(as11(draft), 'host'))),
  refused('the same Host twice', (draft, at, whose) => line(`Host: ${whose.host}`)(draft, at, whose)),
  refused('another Host', line('host: other.test')),
  ...named('a Host', ['', '/', ' x', ',', '/x', '@x', ':80x', '\\', '\xe9', '"', '#'], (more) =>
    host((name) => (more === '' ? '' : name + more)),
  ),
  refused('CL and TE', framing('Content-Length: 5', 'Transfer-Encoding: chunked')),
  refused('TE and CL', framing('transfer-encoding: chunked', 'content-length: 5')),
  refused('CL 0 and TE', framing('Content-Length: 0', 'Transfer-Encoding: chunked')),
  refused('the same length twice', framing('Content-Length: 5', 'Content-Length: 5')),
  refused('two lengths', framing('Content-Length: 5', 'Content-Length: 6')),
  refused('two lengths, one of them 0', framing('Content-Length: 0', 'Content-Length: 5')),
  ...named('a length', BAD_LENGTHS, (value) => framing(`Content-Length: ${value}`)),
  ...named('a coding', BAD_CODINGS, (value) => framing(`Transfer-Encoding: ${value}`)),
  refused('chunked in two lines', framing('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked')),
  refused('gzip, and chunked in another line', framing('Transfer-Encoding: gzip', 'Transfer-Encoding: chunked')),
  refused(
    'chunked, and identity in another line',
    framing('Transfer-Encoding: chunked', 'Transfer-Encoding: identity'),
  ),
  refused('chunks in HTTP/1.0', (draft, at, whose) => {
    const framed = framing('Transfer-Encoding: chunked')(draft, at, whose)
    return framed.replace(/ HTTP\/1\.1\r\n/, ' HTTP/1.0\r\n')
  }),
  ...named('a careless framing', SMUGGLED_FRAMING, (value) => framing(value)),
  ...named('a name', BAD_NAMES, line),
  ...named('a value', BAD_VALUES, line),
  refused('a folded first line', (draft) =>
    textOf({ ...draft, lines: [` ${draft.lines[0]}`, ...draft.lines.slice(1)] }),
  ),
  refused('a bare LF', (draft, at) => withLineEnd(draft, '\n', at)),
  refused('a bare CR', (draft, at) => withLineEnd(draft, '\r', at % (draft.lines.length + 1))),
  refused('CR twice', (draft, at) => withLineEnd(draft, '\r\r\n', at)),
  ...named('a version', BAD_VERSIONS, version),
  refused(
    'no version',
    start((line) => line.replace(/ HTTP\/1\.[01]$/, '')),
  ),
  ...named('in the target', ['\0', '\x01', '\t', '\x0b', '\x7f', ' ', '\xe9', '\r', '\n', '#', '#f'], target),
  refused(
    'a fragment',
    wholeTarget((path) => `${path}#f`),
  ),
  ...named('a whole target', ['*', 'index.html', '?q', '.', '\\', 'http:', 'http://', 'ftp://x/', 'x:80'], (text) =>
    wholeTarget(() => text),
  ),
  refused(
    'the absolute form of another host',
    wholeTarget((path) => `http://other.test${path}`),
  ),
  refused(
    'the absolute form with a user',
    wholeTarget((path, whose) => `http://me@${whose.host}${path}`),
  ),
  refused(
    'the absolute form of another port',
    wholeTarget((path, whose) => `http://${whose.host}:81${path}`),
  ),
  ...named('a method', ['TRACE', 'CONNECT', 'get', 'FOO', 'G@T', 'GET\t', '', ' GET', 'GE\0T', 'PRI'], method),
  refused('the beginning of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  refused('the beginning of TLS', () => '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n'),
  refused('something else', () => 'EHLO client\r\n\r\n'),
  refused(
    'a target that is too long',
    wholeTarget((path) => path + 'x'.repeat(9_000)),
  ),
  refused('a head that is too large', line(`X-A: ${'x'.repeat(20_000)}`)),
  refused('too many fields', (draft) => textOf({ ...draft, lines: [...draft.lines, ...Array(600).fill('X: 1')] })),
  either('an empty line before it', (draft) => `\r\n${textOf(draft)}`),
  either(
    'two spaces behind the method',
    start((line) => line.replace(' ', '  ')),
  ),
  either('a length with zeros in front', (draft) => textOf(draft).replace(/(content-length: )(\d+\r)/i, '$100$2')),
  either('an empty item in the coding', (draft) => textOf(draft).replace(/(transfer-encoding: )(\w+\r)/i, '$1, $2')),
  either('capitals in the coding', (draft) => textOf(draft).replace(/(transfer-encoding: )\w+\r/i, '$1CHUNKED\r')),
  [
    'https where it is not',
    {
      fate: 'forwarded or refused',
      damage: wholeTarget((path, whose) => `https://${whose.host}${path}`),
      target: (id) => `/${id}`,
    },
  ],
  ...BODY_FAULTS.map(([name, fate, payload]): [string, RequestFault] => [
    name,
    {
      fate: fate === 'bad' ? 'refused late' : 'forwarded or refused',
      damage: (draft, at) => textOf(reframed(as11(draft), ['Transfer-Encoding: chunked'], payload, at)),
      body: ODD_BODY,
    },
  ]),
  ['the client ends in the middle', { fate: 'abandoned', leaves: 'fin', damage: brokenOff }],
  ['the client resets in the middle', { fate: 'abandoned', leaves: 'reset', damage: brokenOff }],
])
