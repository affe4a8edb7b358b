import { CR, LF, SP, TEXT } from './bytes.ts'
import type { FieldNames } from './field-names.ts'
import { type HeadLimits, HeadReader } from './head-reader.ts'
import {
  BAD_LINE_END,
  BAD_START_LINE,
  BAD_STATUS,
  BAD_VERSION,
  HEAD_TOO_LARGE,
  type MessageRefusal,
} from './refusal.ts'

/** Prefix of the version; the minor version follows. */
const VERSION = Buffer.from('HTTP/1.', 'latin1')
const ZERO = 0x30
const ONE = 0x31
const NINE = 0x39
const STATUS_DIGITS = 3
const MIN_STATUS = 100
const MAX_STATUS = 999

type State = 'version' | 'minor' | 'space' | 'status' | 'afterStatus' | 'reason' | 'lf'

/** Reads the heads of responses. RFC 9112 §4. */
export class ResponseReader extends HeadReader {
  status = 0
  /** Minor version: 0 or 1. */
  minor = 0
  /** The reason phrase, one character per byte. */
  reason = ''
  protected override readonly startLineTooLong: MessageRefusal = HEAD_TOO_LARGE
  private state: State = 'version'
  private matched = 0
  private digits = 0
  private reasonStart = 0
  private reasonEnd = 0

  constructor(names: FieldNames, limits: HeadLimits) {
    super(names, limits)
    this.begin()
  }

  protected override beginStartLine(): void {
    this.state = 'version'
    this.matched = 0
    this.digits = 0
    this.status = 0
  }

  protected override readStartLine(bytes: Buffer, start: number, end: number, base: number): number {
    let at = start
    while (at < end) {
      const byte = bytes[at] as number
      switch (this.state) {
        case 'version':
          if (byte !== VERSION[this.matched]) return this.refuse(at, BAD_START_LINE)
          if (++this.matched === VERSION.length) this.state = 'minor'
          at++
          break
        case 'minor':
          if (byte !== ZERO && byte !== ONE) return this.refuse(at, BAD_VERSION)
          this.minor = byte - ZERO
          this.state = 'space'
          at++
          break
        case 'space':
          if (byte !== SP) return this.refuse(at, BAD_START_LINE)
          this.state = 'status'
          at++
          break
        case 'status':
          if (byte < ZERO || byte > NINE) return this.refuse(at, BAD_STATUS)
          this.status = 10 * this.status + (byte - ZERO)
          if (++this.digits === STATUS_DIGITS) {
            if (this.status < MIN_STATUS || this.status > MAX_STATUS) return this.refuse(at, BAD_STATUS)
            this.state = 'afterStatus'
          }
          at++
          break
        case 'afterStatus':
          // Most servers that send no reason phrase omit the space before it, too.
          if (byte !== SP && byte !== CR) return this.refuse(at, BAD_STATUS)
          this.reasonStart = byte === SP ? at + 1 - base : at - base
          this.state = 'reason'
          if (byte === SP) at++
          break
        case 'reason':
          while (at < end && TEXT[bytes[at] as number] === 1) at++
          if (at === end) break
          if (bytes[at] !== CR) return this.refuse(at, bytes[at] === LF ? BAD_LINE_END : BAD_START_LINE)
          this.reasonEnd = at - base
          this.state = 'lf'
          at++
          break
        case 'lf':
          if (byte !== LF) return this.refuse(at, BAD_LINE_END)
          this.endStartLine()
          return at + 1
      }
    }
    return at
  }

  protected override finish(text: string): void {
    this.reason = text.slice(this.reasonStart, this.reasonEnd)
  }
}
