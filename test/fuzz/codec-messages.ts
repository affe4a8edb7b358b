import fc from 'fast-check'

/** Bytes that mean something to one parser or another. */
const SPECIAL = [
  '\r',
  '\n',
  '\r\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '\0',
  '\x0b',
  '\x7f',
  '\x80',
  '\xff',
  '0',
  '_',
  '=',
]

const name = fc.constantFrom(
  'Host',
  'host',
  'A',
  'X-y',
  'Content-Length',
  'content-length',
  'Transfer-Encoding',
  'Connection',
)
const ownName = fc.constantFrom('A', 'X-y', 'zz', 'Content_Length', 'X_Forwarded_For', "!#$%&'*+-.^_`|~9")
const value = fc.constantFrom(
  '',
  'a',
  '  a b  ',
  '\ta\t',
  'a, b',
  '\xe4\xff',
  '"a\\"b"',
  '5',
  '05',
  '+5',
  '5, 5',
  '0x5',
  'chunked',
  'Chunked',
  'gzip, chunked',
  'identity',
)
const target = fc.constantFrom('/', '/a?b=c', '*', 'http://a/b', '/\xe4', '/a#b', '//', '/%00', 'a', '/{"}|\\^`<>')
const body = fc.string({ maxLength: 20, unit: fc.constantFrom('a', '\r', '\n', '0', '\xff', '\0') })

/** A field that frames nothing, most of the time. */
const field = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(ownName, value) },
  { weight: 1, arbitrary: fc.tuple(name, value) },
)
const fields = fc
  .array(field, { maxLength: 4 })
  .map((all) => all.map(([name, value]) => `${name}: ${value}\r\n`).join(''))

const extension = fc.constantFrom(
  '',
  '',
  '',
  '',
  ';a',
  ';a=b',
  ';a="b\\"c"',
  ';a;b=c',
  ' ',
  ';',
  ';a=',
  '\t;a',
  ';a="\n"',
)
const chunk = fc.tuple(
  body.filter((text) => text !== ''),
  fc.constantFrom('', '0', '000'),
  extension,
)
const trailers = fc.constantFrom('', '', 'A: b\r\n', 'Zz:\r\nY: \xff\r\n', 'A : b\r\n', ' a\r\n')
const chunked = fc
  .tuple(fc.array(chunk, { maxLength: 4 }), extension, trailers)
  .map(([chunks, lastExtension, trailers]) => {
    const all = chunks.map(
      ([data, zeros, extension]) => `${zeros}${data.length.toString(16)}${extension}\r\n${data}\r\n`,
    )
    return `${all.join('')}0${lastExtension}\r\n${trailers}\r\n`
  })

const framed = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ header: '', body: '' }) },
  { weight: 2, arbitrary: body.map((body) => ({ header: `Content-Length: ${body.length}\r\n`, body })) },
  { weight: 3, arbitrary: chunked.map((body) => ({ header: 'Transfer-Encoding: chunked\r\n', body })) },
)

const request = fc
  .record({
    method: fc.constantFrom('GET', 'POST', 'HEAD', 'OPTIONS', 'M-SEARCH', 'get', 'BREW'),
    target,
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.1', '1.0', '1.2', '2.0', '0.9'),
    before: fc.constantFrom('', '', '', '\r\n', '\n', '\r\n\r\n'),
    fields,
    framed,
    connection: fc.constantFrom('', '', '', 'Connection: close\r\n', 'Connection: keep-alive, X-y\r\n'),
  })
  .map(
    ({ method, target, version, before, fields, framed, connection }) =>
      `${before}${method} ${target} HTTP/${version}\r\nHost: h\r\n${fields}${connection}${framed.header}\r\n${framed.body}`,
  )

const interim = fc.constantFrom('', '', '', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 \r\nLink: <a>\r\n\r\n')
const response = fc
  .record({
    interim,
    version: fc.constantFrom('1.1', '1.1', '1.1', '1.0', '1.2', '2.0'),
    status: fc.constantFrom('200', '204', '304', '404', '500', '599', '099', '600', '20', '2000', '101'),
    reason: fc.constantFrom(' OK', ' ', '', ' \xe4\xff', ' a  b', '  OK', '\tOK', ' a\x00'),
    fields,
    framed,
  })
  .map(
    ({ interim, version, status, reason, fields, framed }) =>
      `${interim}HTTP/${version} ${status}${reason}\r\n${fields}${framed.header}\r\n${framed.body}`,
  )

/** One place in a message is overwritten. */
const damage = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.integer({ min: 0, max: 2 }),
  insert: fc.constantFrom('', ...SPECIAL),
})

function damaged(message: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  return fc.tuple(message, fc.array(damage, { maxLength: 2 })).map(([text, damages]) => {
    const all = damages.reduce((before, { at, remove, insert }) => {
      const place = Math.floor(at * before.length)
      return before.slice(0, place) + insert + before.slice(place + remove)
    }, text)
    return Buffer.from(all, 'latin1')
  })
}

/** Requests on one connection, one or two places of which may be damaged. */
export const requestBytes = damaged(fc.array(request, { minLength: 1, maxLength: 3 }).map((all) => all.join('')))
/** Interim responses and the one behind them, one or two places of which may be damaged. */
export const responseBytes = damaged(response)

/** The same bytes in pieces. */
export function inPieces(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return pieces
}
