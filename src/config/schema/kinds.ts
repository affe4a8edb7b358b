import { type Static, type TProperties, type TSchema, type TSchemaOptions, Type } from 'typebox'
import { percentProblem } from '../../model/split.ts'
import {
  DURATION_PATTERN,
  formatDuration,
  MAX_TIMER_MS,
  PERCENT_PATTERN,
  parseDuration,
  parsePercent,
  parseSize,
  SIZE_PATTERN,
} from '../units.ts'

/**
 * Options of a key. Editors show `description`; a key without a `default` is required. `read` and editors show
 * `errorMessage` for a value that does not fit, and `nameMessage` for such a name.
 */
export type KeyOptions = TSchemaOptions & {
  readonly description?: string
  readonly errorMessage?: string
  /** Explains more exactly than `errorMessage` why a text does not fit; undefined if it cannot. */
  readonly explain?: (given: string) => string | undefined
}

/** Names of services, pools and servers, which are used in URLs, labels and dotted paths. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$'
export const NAME_RULE = 'use at most 63 letters, digits, dots, dashes and underscores, a letter or digit first'
/** Names of methods, cookies and header fields, RFC 9110 §5.6.2; without anchors. */
export const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}"

/** A mapping with known keys; those with a default may be left out. */
export function section<P extends TProperties>(properties: P, options: KeyOptions) {
  const required = Object.keys(properties).filter((key) => {
    const property = properties[key]
    return property !== undefined && !Type.IsOptional(property) && !('default' in property)
  })
  return Type.Object(properties, { additionalProperties: false, ...options, required })
}

/** A mapping whose keys are names that people give. */
export function named<S extends TSchema>(item: S, options: KeyOptions) {
  return Type.Record(Type.String({ pattern: NAME_PATTERN }), item, {
    additionalProperties: false,
    nameMessage: NAME_RULE,
    ...options,
  })
}

/** Header fields by name. No message repeats their values, which may be credentials. */
export function fields(options: KeyOptions) {
  const value = text({
    description: 'The value of this field.',
    pattern: '^(?!\\(hidden\\)$)[\\t\\x20-\\x7e\\x80-\\xff]*$',
    errorMessage: 'expected text (numbers in quotes), no control characters, and not (hidden)',
    writeOnly: true,
  })
  return Type.Record(Type.String({ pattern: `^${TOKEN}$` }), value, {
    additionalProperties: false,
    nameMessage: 'expected the name of a header field',
    errorMessage: 'expected header fields such as {x-probe: "1"}',
    writeOnly: true,
    ...options,
  })
}

export function list<S extends TSchema>(items: S, options: KeyOptions & { readonly minItems?: number }) {
  return Type.Array(items, { errorMessage: 'expected a list', ...options })
}

export function choice<const V extends string[]>(values: readonly [...V], options: KeyOptions) {
  return Type.Enum([...values], options)
}

export function flag(options: KeyOptions) {
  return Type.Boolean({ errorMessage: 'expected true or false', ...options })
}

type TextOptions = KeyOptions &
  ({ readonly pattern?: never } | { readonly pattern: string; readonly errorMessage: string })

/** Text; with a `pattern`, `errorMessage` must name its rule. */
export function text(options: TextOptions) {
  return Type.String({ errorMessage: 'expected text (numbers in quotes)', ...options })
}

/** The path of a file or folder. */
export function path(options: KeyOptions) {
  return text({ pattern: '^[^\\0]+$', errorMessage: 'expected a path', ...options })
}

/** A token of HTTP: the name of a header field, a cookie or a method. */
export function token(options: KeyOptions) {
  const errorMessage = 'expected a name of letters, digits and dashes, as in HTTP'
  return Type.String({ pattern: `^${TOKEN}$`, errorMessage, ...options })
}

/** The words `off` and false, which mean null. */
export function off() {
  return decoded(Type.Union([Type.Literal('off'), Type.Literal(false)], { description: 'Switched off.' }), () => null)
}

/** A whole number. */
export function count(options: KeyOptions & { readonly minimum?: number; readonly maximum?: number }) {
  const { minimum = 0, maximum } = options
  const range = maximum === undefined ? `of at least ${minimum}` : `from ${minimum} to ${maximum}`
  return Type.Integer({ errorMessage: `expected a whole number ${range}`, ...options, minimum })
}

/** Text that `parse` converts; text for which it returns undefined does not fit. */
export function parsed<T>(
  parse: (given: string) => T | undefined,
  options: KeyOptions & { readonly errorMessage: string; readonly pattern?: string },
) {
  return decoded(Type.String(options), parse)
}

/** Milliseconds, written `250ms`, `5s`, `2m`, `1h`, `1d` or 0. */
export function duration({ minMs = 0, maxMs = MAX_TIMER_MS, ...options }: KeyOptions & DurationRange) {
  return decoded(
    Type.Union([Type.String({ pattern: DURATION_PATTERN }), Type.Literal(0)], {
      errorMessage: durationRule(minMs, maxMs),
      ...options,
    }),
    (given) => inRange(parseDuration(given), minMs, maxMs),
  )
}

/** The same in a query, where 0 is text as well. */
export function queryDuration({ maxMs = MAX_TIMER_MS, ...options }: KeyOptions & Omit<DurationRange, 'minMs'>) {
  return decoded(
    Type.String({ pattern: `^0$|${DURATION_PATTERN}`, errorMessage: durationRule(0, maxMs), ...options }),
    (given) => inRange(parseDuration(given === '0' ? 0 : given), 0, maxMs),
  )
}

function durationRule(minMs: number, maxMs: number): string {
  const range = `${minMs > 0 ? `at least ${formatDuration(minMs)}, ` : ''}at most ${formatDuration(maxMs)}`
  return `expected a duration with its unit, such as 250ms, 5s, 2m or 1h, ${range}`
}

interface DurationRange {
  readonly minMs?: number
  readonly maxMs?: number
}

/** Bytes, written `512b`, `64kb`, `2mb`, `1gb` or as a number. */
export function size(options: KeyOptions) {
  const number = Type.Integer({ minimum: 0 })
  const errorMessage = 'expected a size such as 512b, 64kb, 2mb or 1gb, or a whole number of bytes'
  return decoded(Type.Union([Type.String({ pattern: SIZE_PATTERN }), number], { errorMessage, ...options }), parseSize)
}

/** A share of 100, written `20%` or 0. */
export function percent(options: KeyOptions) {
  const errorMessage = 'expected a percentage such as 20%, or 0'
  const schema = Type.Union([Type.String({ pattern: PERCENT_PATTERN }), Type.Literal(0)], { errorMessage, ...options })
  return decoded(schema, parsePercent)
}

/** A number of percent with at most two decimals. */
export function share(options: KeyOptions) {
  const errorMessage = 'expected a number from 0 to 100 with at most two decimals'
  return Type.Refine(
    Type.Number({ minimum: 0, maximum: 100, errorMessage, ...options }),
    (given) => percentProblem(given) === null,
  )
}

function inRange(number: number | undefined, min: number, max: number): number | undefined {
  return number !== undefined && number >= min && number <= max ? number : undefined
}

/** A schema whose values are replaced by the results of `parse`; a value for which it returns undefined does not fit. */
export function decoded<S extends TSchema, T>(schema: S, parse: (given: Static<S>) => T | undefined) {
  return Type.Decode(
    Type.Refine(schema, (given: Static<S>) => parse(given) !== undefined),
    (given) => parse(given as Static<S>) as T,
  )
}
