import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type AccessRecord, lineOf } from '../../src/telemetry/access-log.ts'

/** Hostile text: characters that end a string or a line or control a terminal, mixed with arbitrary text. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '"',
        '\\',
        '\n',
        '\r\n',
        '\0',
        '\x1b[2J',
        '\x7f',
        '\x85',
        '\x9b31m',
        '\u2028',
        '\u2029',
        '\u202e',
        '\ud800',
      ),
      fc.constantFrom('","status":200,"x":"', '"}\n{"level":30', '\\u0022', '127.0.0.1%"x'),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

const PLAIN: AccessRecord = {
  atMs: 1_764_000_000_000,
  client: '192.0.2.1',
  method: 'GET',
  host: 'app.test',
  target: '/',
  status: 200,
  bytes: 7,
  durationMs: 1.5,
  heldMs: 0,
  queueMs: 0,
  connectMs: null,
  firstByteMs: 1,
  service: 'app',
  pool: 'blue',
  version: '1.0',
  server: 'a',
  attempts: 1,
  requestId: 'id',
  traceId: '',
  error: '',
  tags: null,
}

/** Hostile or plain values for every text of a record. */
const texts = fc.record(
  Object.fromEntries(
    Object.entries(PLAIN)
      .filter(([, value]) => typeof value === 'string')
      .map(([key]) => [key, fc.oneof(hostile, fc.constant('plain'))]),
  ),
)

test('a line with any texts parses as JSON and gives every text back', () => {
  fc.assert(
    fc.property(texts, (given) => {
      const line = lineOf({ ...PLAIN, ...given })
      expect(line.indexOf('\n')).toBe(line.length - 1)
      const { error, ...parsed } = JSON.parse(line)
      expect({ ...parsed, error: error ?? '' }).toMatchObject(given)
      expect(parsed).toMatchObject({ status: 200, bytes: 7, ms: 1.5, attempts: 1 })
      expect(Object.keys(parsed)).toHaveLength(Object.keys(JSON.parse(lineOf(PLAIN))).length)
    }),
    { numRuns: 2_000 },
  )
})

test('a line contains no control character (C0, DEL, C1), no line separator and no mark that changes text direction', () => {
  fc.assert(
    fc.property(texts, (given) => {
      const line = lineOf({ ...PLAIN, ...given }).slice(0, -1)
      expect(line).not.toMatch(/[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u)
    }),
    { numRuns: 2_000 },
  )
})
