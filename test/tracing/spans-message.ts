import { type Field, fieldsOf } from './protobuf.ts'

export type Attributes = Readonly<Record<string, string | number | boolean | null>>

/** A span as it was exported. */
export interface Span {
  readonly traceId: string
  readonly spanId: string
  /** Empty = none. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: 'server' | 'client' | 'other'
  /** Nanoseconds since the epoch. */
  readonly start: bigint
  readonly end: bigint
  readonly attributes: Attributes
  readonly status: 'unset' | 'ok' | 'error'
  readonly resource: Attributes
}

const KINDS: Readonly<Record<number, Span['kind']>> = { 2: 'server', 3: 'client' }
const STATUSES = ['unset', 'ok', 'error'] as const

/** Reads an ExportTraceServiceRequest. Source: opentelemetry-proto, trace/v1/trace.proto. */
export function spansOf(message: Buffer): Span[] {
  return children(fieldsOf(message), 1).flatMap((resourceSpans) => {
    const resource = children(resourceSpans, 1).flatMap((each) => Object.entries(attributesOf(each, 1)))
    return children(resourceSpans, 2)
      .flatMap((scopeSpans) => children(scopeSpans, 2))
      .map((fields) => spanOf(fields, Object.fromEntries(resource)))
  })
}

function spanOf(fields: Field[], resource: Attributes): Span {
  const status = children(fields, 15).flatMap((each) => each.filter(({ number }) => number === 3))
  return {
    traceId: bytes(fields, 1).toString('hex'),
    spanId: bytes(fields, 2).toString('hex'),
    traceState: bytes(fields, 3).toString(),
    parentSpanId: bytes(fields, 4).toString('hex'),
    name: bytes(fields, 5).toString(),
    kind: KINDS[Number(number(fields, 6))] ?? 'other',
    start: number(fields, 7),
    end: number(fields, 8),
    attributes: attributesOf(fields, 9),
    status: STATUSES[Number(number(status, 3))] ?? 'unset',
    resource,
  }
}

function attributesOf(fields: Field[], at: number): Attributes {
  const pairs = children(fields, at).map((pair) => [bytes(pair, 1).toString(), scalar(children(pair, 2)[0] ?? [])])
  return Object.fromEntries(pairs)
}

/** Of texts, numbers and truth values; null for anything else. */
function scalar([first]: Field[]): string | number | boolean | null {
  if (first === undefined) return null
  const { value } = first
  if (typeof value !== 'bigint') return first.number === 1 ? value.toString() : null
  if (first.number === 2) return value === 1n
  if (first.number === 3) return Number(value)
  const double = Buffer.alloc(8)
  double.writeBigUInt64LE(value)
  return double.readDoubleLE()
}

function children(fields: readonly Field[], at: number): Field[][] {
  return fields.flatMap(({ number, value }) => (number === at && typeof value !== 'bigint' ? [fieldsOf(value)] : []))
}

function bytes(fields: readonly Field[], at: number): Buffer {
  const value = fields.find((field) => field.number === at)?.value
  return typeof value === 'object' ? value : Buffer.alloc(0)
}

function number(fields: readonly Field[], at: number): bigint {
  const value = fields.find((field) => field.number === at)?.value
  return typeof value === 'bigint' ? value : 0n
}
