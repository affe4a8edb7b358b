import { CR, HEX, LF, SEMICOLON } from './bytes.ts'
import { afterExtensionByte, type ExtensionState } from './chunk-extension.ts'
import type { FieldNames } from './field-names.ts'
import { FieldSection } from './field-section.ts'
import { Fields } from './fields.ts'
import { Gathered } from './gathered.ts'
import {
  BAD_CHUNK_END,
  BAD_CHUNK_EXTENSION,
  BAD_CHUNK_SIZE,
  CHUNK_EXTENSIONS_TOO_LARGE,
  type MessageRefusal,
  TRAILERS_TOO_LARGE,
} from './refusal.ts'

/** Max hexadecimal digits of a chunk's size: sizes up to 2^52 are exact in a number. */
const MAX_SIZE_DIGITS = 13
/** Max length of the extensions of all chunks together, beyond that of the body. They are hardly ever used. */
const MAX_EXTENSION_BYTES = 16 * 1024
const MAX_TRAILER_BYTES = 16 * 1024
const MAX_TRAILERS = 100
const NO_TRAILERS = new Fields()
/** `lineStart` of a size line that began in an earlier piece. */
const EARLIER = -1
/** `rangeStart` while no range is open. */
const NONE = -1

type State = 'size' | 'extension' | 'sizeEnd' | 'data' | 'dataCr' | 'dataLf' | 'trailers' | 'done'

/**
 * Reads the chunks of a body, RFC 9112 §7.1. Every byte of the framing is checked, so that the bytes may be forwarded
 * unchanged: `ranges` are those bytes, each range with the text of `lines` to send before it if its size line was split
 * or had an extension. `runs` are the pieces of the body without framing. Both omit the last chunk, which is empty, and
 * the trailers after it.
 */
export class ChunkedReader {
  /** Reason to refuse the body; null = valid so far. */
  refusal: MessageRefusal | null = null
  /** Start and end, alternating, of each piece of the body in the bytes of the last `read`. */
  readonly runs: number[] = []
  /** Index after the chunk that had begun before the last `read`, in its bytes; its start if none had begun. */
  begunEnd = 0
  /** Start and end, alternating, of each range of framed bytes in the bytes of the last `read`. */
  readonly ranges: number[] = []
  /** For each range, the size line to send before it; empty = none. */
  readonly lines: string[] = []
  /** Bytes of the body so far, without its framing. */
  bodyBytes = 0
  private readonly names: FieldNames
  private state: State = 'size'
  private size = 0
  private digits = 0
  private left = 0
  /** Index of the first byte of the size line. */
  private lineStart = 0
  private lineHasExtension = false
  private extension: ExtensionState = 'name'
  private extensionBytes = 0
  private rangeStart = 0
  private rangeLine = ''
  private section: FieldSection | null = null
  private held: Gathered | null = null
  private trailerBytes = 0

  constructor(names: FieldNames) {
    this.names = names
  }

  get isDone(): boolean {
    return this.state === 'done'
  }

  /** The fields after the body, once it `isDone`. */
  get trailers(): Fields {
    return this.section?.fields ?? NO_TRAILERS
  }

  /** Reads from `bytes[start]`. Returns the index after the last byte of the body. */
  read(bytes: Buffer, start = 0): number {
    this.runs.length = 0
    this.ranges.length = 0
    this.lines.length = 0
    this.rangeLine = ''
    if (this.isInSizeLine) this.lineStart = EARLIER
    this.rangeStart = this.isInSizeLine || this.state === 'trailers' ? NONE : start
    const hadBegun = this.state === 'data' || this.state === 'dataCr' || this.state === 'dataLf'
    this.begunEnd = hadBegun ? NONE : start
    const at = this.readOn(bytes, start)
    if (this.begunEnd === NONE) this.begunEnd = at
    if (this.rangeStart !== NONE) this.closeRange(this.isInSizeLine ? this.lineStart : at)
    return at
  }

  /** Whether a size line has begun and not ended. */
  private get isInSizeLine(): boolean {
    return this.state === 'extension' || this.state === 'sizeEnd' || (this.state === 'size' && this.digits > 0)
  }

  private readOn(bytes: Buffer, start: number): number {
    const end = bytes.length
    let at = start
    while (at < end) {
      const byte = bytes[at] as number
      switch (this.state) {
        case 'size':
          if (!this.takeSizeByte(byte, at)) return this.refuse(at, BAD_CHUNK_SIZE)
          at++
          break
        case 'extension': {
          const next = afterExtensionByte(this.extension, byte)
          if (next === null) return this.refuse(at, BAD_CHUNK_EXTENSION)
          if (++this.extensionBytes > MAX_EXTENSION_BYTES + this.bodyBytes)
            return this.refuse(at, CHUNK_EXTENSIONS_TOO_LARGE)
          this.extension = next
          if (next === 'over') this.state = 'sizeEnd'
          at++
          break
        }
        case 'sizeEnd':
          if (byte !== LF) return this.refuse(at, BAD_CHUNK_SIZE)
          at++
          this.endSizeLine(at)
          break
        case 'data': {
          const stop = Math.min(end, at + this.left)
          this.runs.push(at, stop)
          this.left -= stop - at
          this.bodyBytes += stop - at
          at = stop
          if (this.left === 0) this.state = 'dataCr'
          break
        }
        case 'dataCr':
          if (byte !== CR) return this.refuse(at, BAD_CHUNK_END)
          this.state = 'dataLf'
          at++
          break
        case 'dataLf':
          if (byte !== LF) return this.refuse(at, BAD_CHUNK_END)
          this.state = 'size'
          this.size = 0
          this.digits = 0
          this.lineHasExtension = false
          at++
          if (this.begunEnd === NONE) this.begunEnd = at
          break
        case 'trailers':
          return this.readTrailers(bytes, at)
        case 'done':
          return at
      }
    }
    return at
  }

  private takeSizeByte(byte: number, at: number): boolean {
    const digit = HEX[byte] as number
    if (digit >= 0) {
      if (this.digits === MAX_SIZE_DIGITS) return false
      if (this.digits++ === 0) this.lineStart = at
      this.size = 16 * this.size + digit
      return true
    }
    if (this.digits === 0 || (byte !== CR && byte !== SEMICOLON)) return false
    if (byte === CR) this.state = 'sizeEnd'
    else {
      this.state = 'extension'
      this.extension = 'name'
      this.lineHasExtension = true
    }
    return true
  }

  /** `next`: index after the line. */
  private endSizeLine(next: number): void {
    this.left = this.size
    this.state = this.size === 0 ? 'trailers' : 'data'
    if (this.size > 0 && this.lineStart !== EARLIER && !this.lineHasExtension) return
    if (this.rangeStart !== NONE) this.closeRange(this.lineStart)
    if (this.size === 0) return
    this.rangeStart = next
    this.rangeLine = `${this.size.toString(16)}\r\n`
  }

  private closeRange(end: number): void {
    if (end > this.rangeStart || this.rangeLine !== '') {
      this.ranges.push(this.rangeStart, end)
      this.lines.push(this.rangeLine)
    }
    this.rangeStart = NONE
    this.rangeLine = ''
  }

  private readTrailers(bytes: Buffer, start: number): number {
    // Fast path: almost always there are no trailers, and only an empty line follows.
    if (this.trailerBytes === 0 && bytes[start] === CR && bytes[start + 1] === LF) {
      this.state = 'done'
      return start + 2
    }
    this.section ??= new FieldSection(this.names, MAX_TRAILERS)
    this.held ??= new Gathered()
    const before = this.held.length
    this.held.add(bytes.subarray(start, start + MAX_TRAILER_BYTES + 1))
    const end = this.section.read(this.held.bytes, before, this.held.length, 0)
    this.trailerBytes = end
    const at = start + end - before
    if (this.section.refusal !== null) return this.refuse(at, this.section.refusal)
    if (end > MAX_TRAILER_BYTES) return this.refuse(at, TRAILERS_TOO_LARGE)
    if (!this.section.isDone) return at
    this.section.fields.text = this.held.bytes.toString('latin1', 0, end)
    this.held = null
    this.state = 'done'
    return at
  }

  private refuse(at: number, refusal: MessageRefusal): number {
    this.refusal = refusal
    // What came before the mistake is part of the body.
    const end = this.isInSizeLine ? this.lineStart : at
    if (this.rangeStart !== NONE && end > this.rangeStart) this.closeRange(end)
    this.rangeStart = NONE
    return at
  }
}
