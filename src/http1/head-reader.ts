import type { FieldNames } from './field-names.ts'
import { FieldSection } from './field-section.ts'
import type { Fields } from './fields.ts'
import { Gathered } from './gathered.ts'
import { HEAD_TOO_LARGE, type Refusal } from './refusal.ts'

/** More fields than this no honest peer sends. */
const MAX_FIELDS = 500

/** In bytes; the start line is limited by its reader, too. */
export interface HeadLimits {
  /** The start line with its end. */
  readonly startLineBytes: number
  /** All lines of fields with their ends. */
  readonly fieldBytes: number
}

/**
 * Reads the head of a message, whole or in pieces of any size. A head that comes in one piece, as almost all do, is read
 * where it lies; of any other, the pieces are gathered.
 */
export abstract class HeadReader {
  /** Why the head is not taken; null = nothing is wrong so far. */
  refusal: Refusal | null = null
  /** Its start line and fields, one character a byte. Set when it `isDone`. */
  text = ''
  protected readonly limits: HeadLimits
  private readonly section: FieldSection
  /** What has come of a head whose end has not; null = nothing. */
  private held: Gathered | null = null
  private startLineIsDone = false
  /** Where the lines of fields begin. */
  private fieldsStart = 0

  constructor(names: FieldNames, limits: HeadLimits) {
    this.limits = limits
    this.section = new FieldSection(names, MAX_FIELDS)
  }

  get isDone(): boolean {
    return this.section.isDone && this.refusal === null
  }

  /** Whether something of a head has come. */
  get hasBegun(): boolean {
    return this.held !== null
  }

  get fields(): Fields {
    return this.section.fields
  }

  /**
   * Reads the start line on from `bytes[at]`; `base`: where the head begins in `bytes`. Returns the place behind what was
   * read. Calls `endStartLine` at its end.
   */
  protected abstract readStartLine(bytes: Buffer, at: number, end: number, base: number): number
  /** The head has ended: its text is there. */
  protected abstract finish(text: string): void
  /** The next head begins. */
  protected abstract beginStartLine(): void
  /** The refusal of a start line that is too long. */
  protected abstract readonly startLineTooLong: Refusal

  /** Makes it ready for the next head. */
  begin(): void {
    this.refusal = null
    this.text = ''
    this.held = null
    this.startLineIsDone = false
    this.section.begin()
    this.beginStartLine()
  }

  protected endStartLine(): void {
    this.startLineIsDone = true
  }

  /**
   * Takes what has come. Returns how many bytes of it belong to the head: all of them until it `isDone`. Where there is a
   * refusal, nothing behind it makes sense.
   */
  read(chunk: Buffer, start = 0): number {
    const { held } = this
    if (held === null) {
      const end = this.readFrom(chunk, start, chunk.length, start)
      if (this.isDone) this.complete(chunk, start, end)
      else if (this.refusal === null && end > start) {
        this.held = new Gathered()
        this.held.add(chunk.subarray(start))
      }
      return end - start
    }
    const before = held.length
    // Beyond the limits nothing is looked at.
    const room = Math.max(1, this.limits.startLineBytes + this.limits.fieldBytes + 1 - before)
    held.add(chunk.subarray(start, start + room))
    const end = this.readFrom(held.bytes, before, held.length, 0)
    if (this.isDone) this.complete(held.bytes, 0, end)
    return end - before
  }

  private readFrom(bytes: Buffer, start: number, end: number, base: number): number {
    let at = start
    if (!this.startLineIsDone) {
      at = this.readStartLine(bytes, at, end, base)
      if (this.refusal !== null) return at
      if (at - base > this.limits.startLineBytes) return this.refuse(at, this.startLineTooLong)
      if (!this.startLineIsDone) return at
      this.fieldsStart = at - base
    }
    at = this.section.read(bytes, at, end, base)
    if (this.section.refusal !== null) return this.refuse(at, this.section.refusal)
    if (at - base - this.fieldsStart > this.limits.fieldBytes) return this.refuse(at, HEAD_TOO_LARGE)
    return at
  }

  protected refuse(at: number, refusal: Refusal): number {
    this.refusal = refusal
    return at
  }

  private complete(bytes: Buffer, start: number, end: number): void {
    this.text = bytes.toString('latin1', start, end)
    this.fields.text = this.text
    this.held = null
    this.finish(this.text)
  }
}
