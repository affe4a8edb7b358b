import type { Deadlines } from './deadlines.ts'
import type { FieldNames } from './field-names.ts'
import type { HeadLimits } from './head-reader.ts'
import type { InboundRequest } from './inbound-request.ts'
import type { MessageRefusal } from './refusal.ts'
import type { RequestReader } from './request-reader.ts'

/** Timeouts, ms; 0 = none. */
export interface InboundTimeouts {
  /** From the first byte of a head to its last. */
  readonly headMs: number
  /** From the first byte of a request to its last. */
  readonly requestMs: number
  /** Between two requests. */
  readonly keepAliveMs: number
  /** Between two pieces of a body, and between two moments at which the client reads from a response. */
  readonly idleBodyMs: number
}

export interface InboundOptions {
  readonly names: FieldNames
  readonly limits: HeadLimits
  readonly timeouts: InboundTimeouts
  /** Field line that tells the client the time between two requests; empty = none. */
  readonly keepAliveLine: string
  readonly deadlines: Deadlines
}

export interface InboundHandler {
  /** Called for each request. The next one is read after its response. */
  onRequest(request: InboundRequest): void
  /** Called for malformed input. Returns the whole response; the connection closes after it. */
  onRefusal(refusal: MessageRefusal, seen: RequestReader): string
  /** Called when the connection has closed. */
  onClosed(): void
}
