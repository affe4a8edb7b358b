import { Deadlines } from '../http1/deadlines.ts'
import { FIRST_OTHER, FieldNames } from '../http1/field-names.ts'

const NAMES_OF_INTEREST = [
  'via',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'forwarded',
  'x-request-id',
  'traceparent',
  'tracestate',
  'proxy-authorization',
  'http2-settings',
  'max-forwards',
  'date',
  'x-cutover-mirror',
  'x-forwarded-client-cert',
] as const

/** The field names that the request path looks at, beside those of the protocol itself. */
export const NAMES = new FieldNames(NAMES_OF_INTEREST)
export const VIA = numberOf('via')
export const X_FORWARDED_FOR = numberOf('x-forwarded-for')
export const X_FORWARDED_PROTO = numberOf('x-forwarded-proto')
export const X_FORWARDED_HOST = numberOf('x-forwarded-host')
export const X_FORWARDED_PORT = numberOf('x-forwarded-port')
export const X_FORWARDED_PREFIX = numberOf('x-forwarded-prefix')
export const FORWARDED = numberOf('forwarded')
export const X_REQUEST_ID = numberOf('x-request-id')
export const TRACEPARENT = numberOf('traceparent')
export const TRACESTATE = numberOf('tracestate')
export const MAX_FORWARDS = numberOf('max-forwards')
export const DATE = numberOf('date')
export const X_CUTOVER_MIRROR = numberOf('x-cutover-mirror')
export const X_FORWARDED_CLIENT_CERT = numberOf('x-forwarded-client-cert')

/** Timeouts of all connections of this process. */
export const DEADLINES = new Deadlines()

function numberOf(name: (typeof NAMES_OF_INTEREST)[number]): number {
  return FIRST_OTHER + NAMES_OF_INTEREST.indexOf(name)
}
