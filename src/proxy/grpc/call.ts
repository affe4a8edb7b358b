import type { Fields } from '../../http1/fields.ts'
import { LongTimer } from '../../time/long-timer.ts'
import { grpcStatusIn, httpStatusOf, NONE } from './status.ts'

const CONTENT_TYPE = /^application\/grpc(?:$|[+; ])/i
const TIMEOUT = /^(\d{1,8})([HMSmun])$/
/** Milliseconds per unit of `grpc-timeout`. */
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** What is particular about a request of gRPC: a deadline, and a status beside that of HTTP. */
export class GrpcCall {
  /** Status of gRPC for the client; `NONE` = it is not known yet. */
  status = NONE
  private readonly timer: LongTimer | null

  /** `onDeadline`: called when the time that the client waits is over. */
  constructor(fields: Fields, onDeadline: () => void) {
    const timeoutMs = grpcTimeoutMs(fields)
    this.timer = timeoutMs === null ? null : new LongTimer(timeoutMs, onDeadline)
  }

  /** Notes the status in the head of a response or in its trailers. */
  note(fields: Fields): void {
    const status = grpcStatusIn(fields)
    if (status !== NONE) this.status = status
  }

  /** The HTTP status that says the same as the status of gRPC, if that is known; otherwise `status`. */
  httpStatus(status: number): number {
    return this.status === NONE ? status : httpStatusOf(this.status)
  }

  ended(): void {
    this.timer?.cancel()
  }
}

/** Whether a request is one of gRPC, which needs HTTP/2. */
export function isGrpc(fields: Fields): boolean {
  const at = fields.indexOf('content-type')
  return at >= 0 && CONTENT_TYPE.test(fields.value(at))
}

/** The time for which the client waits, ms, at least 1; null = it does not say. */
export function grpcTimeoutMs(fields: Fields): number | null {
  const at = fields.indexOf('grpc-timeout')
  if (at < 0) return null
  const [, amount, unit = ''] = TIMEOUT.exec(fields.value(at)) ?? []
  return amount === undefined ? null : Math.max(1, Math.ceil(Number(amount) * (UNIT_MS[unit] as number)))
}
