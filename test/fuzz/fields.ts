import fc from 'fast-check'
import type { Field } from './wire.ts'

/** Fields that end at the proxy, and those that the generators name in Connection. */
export const HOP_BY_HOP = ['te', 'upgrade', 'proxy-connection', 'http2-settings', 'x-hop', 'x-other']

/** What fails is made smaller towards the first of several kinds. */
export const SIMPLEST_FIRST = { withCrossShrink: true }

/** A field and the whitespace around its value. */
export interface FieldSketch {
  readonly name: string
  readonly value: string
  readonly before: string
  readonly after: string
}

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/** Names that mean something to somebody, and names that an object has already. */
const REQUEST_NAMES = [
  ...['Accept', 'accept-encoding', 'AUTHORIZATION', 'Cache-Control', 'Content-Type', 'Cookie', 'cookie', 'Date'],
  ...['If-None-Match', 'Max-Forwards', 'Origin', 'Range', 'Referer', 'Set-Cookie', 'User-Agent', 'X-A', 'X_A', 'x-a'],
  ...['__proto__', 'constructor', 'hasOwnProperty', 'toString'],
]
const RESPONSE_NAMES = [
  ...['Age', 'Alt-Svc', 'Cache-Control', 'Content-Encoding', 'Content-Type', 'DATE', 'ETag', 'Location', 'Server'],
  ...['Retry-After', 'Set-Cookie', 'set-cookie', 'Vary', 'WWW-Authenticate', 'Warning', 'X-A', 'x-a', 'X_A'],
  ...['__proto__', 'constructor', 'hasOwnProperty', 'toString'],
]

/** Starts like no field that means anything. */
const madeUpNames = fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), maxLength: 12 }).map((rest) => `Zz${rest}`)

const valueCharacters = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 8, arbitrary: fc.integer({ min: 0x20, max: 0x7e }) },
  { weight: 1, arbitrary: fc.integer({ min: 0x80, max: 0xff }) },
  { weight: 1, arbitrary: fc.constant(9) },
)
const shortValues = fc
  .array(valueCharacters, { maxLength: 30 })
  .map((codes) => String.fromCharCode(...codes).replace(/^[ \t]+|[ \t]+$/g, ''))

/** Without the whitespace around them, which does not belong to them; other bytes that look like it do. */
const values = fc.oneof(
  SIMPLEST_FIRST,
  { weight: 8, arbitrary: shortValues },
  { weight: 1, arbitrary: fc.tuple(shortValues, fc.nat(100)).map(([value, times]) => value.repeat(times)) },
  { weight: 1, arbitrary: fc.constantFrom('a, b', 'chunked', 'close', '5', '\xa0', '\x85x\xa0', '"', 'a=b; c="d') },
)

const whitespace = fc.constantFrom(' ', ' ', ' ', '', '\t', ' \t  ')

export const requestFields = fieldsNamed(REQUEST_NAMES)
export const responseFields = fieldsNamed(RESPONSE_NAMES)

/** Trailers: one of them is for a message's framing, and must not be taken for it. */
export const trailers = fc.array(
  fc.tuple(
    fc.oneof(
      SIMPLEST_FIRST,
      { weight: 4, arbitrary: madeUpNames },
      { weight: 1, arbitrary: fc.constantFrom('Content-Length', 'Transfer-Encoding', 'Host', 'Connection') },
    ),
    fc.constantFrom('', '5', 'chunked', 'a b', 'close'),
  ),
  { maxLength: 2 },
)

export function lineOf({ name, value, before, after }: FieldSketch): string {
  return `${name}:${before}${value}${after}`
}

export function fieldOf({ name, value }: FieldSketch): Field {
  return [name, value]
}

function fieldsNamed(names: readonly string[]) {
  const sketch: fc.Arbitrary<FieldSketch> = fc.record({
    name: fc.oneof(SIMPLEST_FIRST, fc.constantFrom(...names), madeUpNames),
    value: values,
    before: whitespace,
    after: fc.constantFrom('', '', '', ' ', '\t '),
  })
  return fc.array(sketch, { maxLength: 6 })
}
