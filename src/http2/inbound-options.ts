import type { Deadlines } from '../http1/deadlines.ts'
import type { FieldNames } from '../http1/field-names.ts'
import type { InboundTimeouts } from '../http1/inbound-handler.ts'

export interface InboundOptions2 {
  readonly names: FieldNames
  readonly deadlines: Deadlines
  readonly limits: {
    /** Max length of all field lines of a request. */
    readonly fieldBytes: number
    /** Max length of a request target, and what stands around it. */
    readonly startLineBytes: number
    /** Max number of streams of a connection at once. */
    readonly streams: number
  }
  readonly timeouts: InboundTimeouts
}
