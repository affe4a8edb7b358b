import type { FieldNames } from './field-names.ts'
import { FieldSection } from './field-section.ts'
import type { Fields } from './fields.ts'
import { Gathered } from './gathered.ts'
import { HEAD_TOO_LARGE, type MessageRefusal } from './refusal.ts'

/** Max number of fields; no honest peer sends more. */
const MAX_FIELDS = 500

/** Max lengths in bytes. The readers of start lines have limits of their own, too. */
export interface HeadLimits {
  /** Start line, with its line end. */
  readonly startLineBytes: number
  /** All field lines, with their line ends. */
  readonly fieldBytes: number
}

/**
 * Reads the head of a message, whole or in pieces of any size. A head in one piece, as almost all are, is read in
 * place; otherwise the pieces are copied together.
 */
export abstract class HeadReader {
  /** Reason to refuse the head; null = valid so far. */
  refusal: MessageRefusal | null = null
  /** Start line and fields, one character per byte. Set once the head `isDone`. */
  text = ''
  protected readonly limits: HeadLimits
  private readonly section: FieldSection
  /** The bytes of an incomplete head; null = none. */
  private held: Gathered | null = null
  private startLineIsDone = false
  /** Offset of the first field line. */
  private fieldsStart = 0

  constructor(names: FieldNames, limits: HeadLimits) {
    this.limits = limits
    this.section = new FieldSection(names, MAX_FIELDS)
  }

  get isDone(): boolean {
    return this.section.isDone && this.refusal === null
  }

  /** Whether part of a head has been read. */
  get hasBegun(): boolean {
    return this.held !== null
  }

  get fields(): Fields {
    return this.section.fields
  }

  /**
   * Continues reading the start line at `bytes[at]`; `base`: index of the start of the head in `bytes`. Returns the
   * index after the bytes that were read. Calls `endStartLine` at the end of the line.
   */
  protected abstract readStartLine(bytes: Buffer, at: number, end: number, base: number): number
  /** Called at the end of the head, with its text. */
  protected abstract finish(text: string): void
  /** Called when the head was refused, with its bytes so far. */
  protected refused(_bytes: Buffer, _base: number, _end: number): void {}
  /** Called before the next head. */
  protected abstract beginStartLine(): void
  /** MessageRefusal for a start line that is too long. */
  protected abstract readonly startLineTooLong: MessageRefusal

  /** Prepares for the next head. */
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
   * Reads from `chunk[start]`. Returns the number of bytes that belong to the head: all of them until it `isDone`.
   * After a refusal, the rest of the connection's input is meaningless.
   */
  read(chunk: Buffer, start = 0): number {
    const { held } = this
    if (held === null) {
      const end = this.readFrom(chunk, start, chunk.length, start)
      if (this.isDone) this.complete(chunk, start, end)
      else if (this.refusal !== null) this.refused(chunk, start, end)
      else if (end > start) {
        this.held = new Gathered()
        this.held.add(chunk.subarray(start))
      }
      return end - start
    }
    const before = held.length
    // Copy no more than the limits allow, and one byte to exceed them.
    const room = Math.max(1, this.limits.startLineBytes + this.limits.fieldBytes + 1 - before)
    held.add(chunk.subarray(start, start + room))
    const end = this.readFrom(held.bytes, before, held.length, 0)
    if (this.isDone) this.complete(held.bytes, 0, end)
    else if (this.refusal !== null) this.refused(held.bytes, 0, end)
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

  protected refuse(at: number, refusal: MessageRefusal): number {
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
