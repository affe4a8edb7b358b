import fc from 'fast-check'
import type { AccessRecord, LoggedHead } from '../../../src/telemetry/access-log/access-record.ts'

/** Header fields that a format may ask for. */
export interface Fields {
  readonly referer: string
  readonly 'user-agent': string
}

export function headOf(fields: Fields): LoggedHead {
  return { version: '1.1', firstOf: (name) => fields[name as keyof Fields] }
}

/** A record whose texts are all plain. */
export const PLAIN: AccessRecord = {
  atMs: 1_764_000_000_007,
  client: '192.0.2.1',
  method: 'GET',
  host: 'app.test',
  target: '/',
  head: headOf({ referer: '', 'user-agent': '' }),
  status: 200,
  grpcStatus: null,
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
  tls: null,
  tags: null,
}

/** What could end a text or a line, or control a terminal. */
const HOSTILE_PARTS = [
  ...['"', '\\', '\n', '\r\n', '\0', ' ', '=', '-', '\t', '\x1b[2J', '\x7f', '\x85', '\x9b31m'],
  ...['","status":200,"x":"', '"}\n{"level":30', '\\u0022', '\\x22', '127.0.0.1%"x', ' status=200', '" 200 7 "', '%3D'],
]

/** Hostile text as clients and servers can send it: one character per byte. */
export const hostileBytes = fc
  .array(
    fc.oneof(
      fc.constantFrom(...HOSTILE_PARTS),
      fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('latin1')),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

/** Hostile text as a hook or a configuration may contain it. */
export const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(...HOSTILE_PARTS, '\u2028', '\u2029', '\u202e', '\ud800', 'é', '\u{1f600}'),
      fc.string({ unit: 'binary' }),
      fc.string({ unit: 'grapheme' }),
    ),
    { maxLength: 6 },
  )
  .map((parts) => parts.join(''))

const TEXTS = Object.entries(PLAIN)
  .filter(([, value]) => typeof value === 'string')
  .map(([key]) => key as keyof AccessRecord)

/** Hostile or plain values for every text of a record. */
export const texts = fc.record(
  Object.fromEntries(TEXTS.map((key) => [key, fc.oneof(hostile, fc.constant('plain'), fc.constant(''))])),
)

/** Tags with hostile names and values. */
export const tags = fc.dictionary(
  hostile.filter((name) => name !== ''),
  fc.oneof(hostile, fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean()),
  { maxKeys: 4 },
)

/** Characters that no line may contain before its end: controls, line separators, and marks that change text direction. */
export const UNWANTED = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u
