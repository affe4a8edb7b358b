import type { Fields } from '../../http1/fields.ts'
import type { ErrorCode } from '../errors.ts'

// Status codes of gRPC that are named here.
export const OK = 0
const UNKNOWN = 2
export const DEADLINE_EXCEEDED = 4
const PERMISSION_DENIED = 7
const RESOURCE_EXHAUSTED = 8
const UNIMPLEMENTED = 12
const INTERNAL = 13
const UNAVAILABLE = 14
const UNAUTHENTICATED = 16

/** No status of gRPC is known. */
export const NONE = -1

/**
 * The HTTP status for each status of gRPC: with one from 500 on, the call has failed at its server. The same as in Envoy's
 * outlier detection, so UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and DATA_LOSS are such.
 */
const HTTP: readonly number[] = [200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]

/** The HTTP status that says the same as a status of gRPC. */
export function httpStatusOf(status: number): number {
  return HTTP[status] ?? 500
}

/** Reads `grpc-status` from a head or from trailers; `NONE` = it is not there. A malformed one is UNKNOWN. */
export function grpcStatusIn(fields: Fields): number {
  const at = fields.indexOf('grpc-status')
  if (at < 0) return NONE
  const value = fields.value(at)
  return /^\d{1,2}$/.test(value) ? Number(value) : UNKNOWN
}

/**
 * The status of gRPC for a response of this proxy. Source: gRPC's http-grpc-status-mapping; for the statuses that it does not
 * name, what the client can do about them.
 */
export function grpcStatusFor(httpStatus: number, code: ErrorCode | ''): number {
  // The server may have done what was asked: UNAVAILABLE would let the client repeat it.
  if (code === 'http_response_timeout') return DEADLINE_EXCEEDED
  switch (httpStatus) {
    case 200:
      return OK
    case 400:
      return INTERNAL
    case 401:
      return UNAUTHENTICATED
    case 403:
      return PERMISSION_DENIED
    case 404:
      return UNIMPLEMENTED
    case 408:
      return DEADLINE_EXCEEDED
    case 413:
    case 431:
      return RESOURCE_EXHAUSTED
    case 429:
    case 502:
    case 503:
    case 504:
      return UNAVAILABLE
    default:
      return UNKNOWN
  }
}
