import { COLON, CR, HT, LF, SP, TEXT, TOKEN } from './bytes.ts'
import type { FieldNames } from './field-names.ts'
import { ALIAS, UNKNOWN } from './field-names.ts'
import { Fields } from './fields.ts'
import {
  BAD_FIELD_NAME,
  BAD_FIELD_VALUE,
  BAD_LINE_END,
  FOLDED_LINE,
  HEAD_TOO_LARGE,
  type MessageRefusal,
} from './refusal.ts'

const UNDERSCORE = 0x5f

type State = 'line' | 'name' | 'space' | 'value' | 'valueEnd' | 'end' | 'done'

/** Reads field lines up to the empty line: the header of a message, or its trailers. RFC 9112 §5. */
export class FieldSection {
  fields = new Fields()
  /** Reason to refuse the section; null = valid so far. */
  refusal: MessageRefusal | null = null
  private readonly names: FieldNames
  private readonly maxCount: number
  private state: State = 'line'
  // Offsets from the start of the head.
  private nameStart = 0
  private nameEnd = 0
  private valueStart = 0
  private hasUnderscore = false
  private valueEnd = 0
  private number = UNKNOWN

  constructor(names: FieldNames, maxCount: number) {
    this.names = names
    this.maxCount = maxCount
  }

  get isDone(): boolean {
    return this.state === 'done'
  }

  /** Prepares for the next section. The fields of the previous one stay valid for their holders. */
  begin(): void {
    this.fields = new Fields()
    this.refusal = null
    this.state = 'line'
  }

  /**
   * Continues at `bytes[start]`. `base`: index of the start of the head in `bytes`. Returns the index after the bytes
   * that were read: the end of the section once it `isDone`, or `end` if more bytes are needed. After a refusal,
   * returns the index of the wrong byte.
   */
  read(bytes: Buffer, start: number, end: number, base: number): number {
    let at = start
    while (at < end) {
      switch (this.state) {
        case 'line': {
          const byte = bytes[at] as number
          if (byte === CR) {
            this.state = 'end'
            at++
            break
          }
          if (TOKEN[byte] === 0) return this.refuse(at, lineProblem(byte))
          this.nameStart = at - base
          this.hasUnderscore = false
          this.state = 'name'
          break
        }
        case 'name': {
          let byte = 0
          while (at < end) {
            byte = bytes[at] as number
            if (TOKEN[byte] === 0) break
            if (byte === UNDERSCORE) this.hasUnderscore = true
            at++
          }
          if (at === end) break
          if (byte !== COLON) return this.refuse(at, BAD_FIELD_NAME)
          this.nameEnd = at - base
          this.number = this.names.find(bytes, base + this.nameStart, at)
          if (this.hasUnderscore && this.number === UNKNOWN) this.noteAlias(bytes, base + this.nameStart, at)
          this.state = 'space'
          at++
          break
        }
        case 'space': {
          while (at < end && (bytes[at] === SP || bytes[at] === HT)) at++
          if (at === end) break
          this.valueStart = at - base
          this.state = 'value'
          break
        }
        case 'value': {
          while (at < end && TEXT[bytes[at] as number] === 1) at++
          if (at === end) break
          const byte = bytes[at] as number
          if (byte !== CR) return this.refuse(at, byte === LF ? BAD_LINE_END : BAD_FIELD_VALUE)
          let last = at - 1
          while (last >= base + this.valueStart && (bytes[last] === SP || bytes[last] === HT)) last--
          this.valueEnd = last + 1 - base
          this.state = 'valueEnd'
          at++
          break
        }
        case 'valueEnd': {
          if (bytes[at] !== LF) return this.refuse(at, BAD_LINE_END)
          if (this.fields.count === this.maxCount) return this.refuse(at, HEAD_TOO_LARGE)
          this.fields.add(this.number, this.nameStart, this.nameEnd, this.valueStart, this.valueEnd)
          this.state = 'line'
          at++
          break
        }
        case 'end': {
          if (bytes[at] !== LF) return this.refuse(at, BAD_LINE_END)
          this.state = 'done'
          return at + 1
        }
        case 'done':
          return at
      }
    }
    return at
  }

  private noteAlias(bytes: Buffer, start: number, end: number): void {
    const number = this.names.findAlias(bytes, start, end)
    if (number === UNKNOWN) return
    this.fields.addAlias(number)
    this.number = ALIAS
  }

  private refuse(at: number, refusal: MessageRefusal): number {
    this.refusal = refusal
    return at
  }
}

function lineProblem(byte: number): MessageRefusal {
  if (byte === SP || byte === HT) return FOLDED_LINE
  return byte === LF ? BAD_LINE_END : BAD_FIELD_NAME
}
