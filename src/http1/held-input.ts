import { Gathered } from './gathered.ts'
import { keep } from './input-buffer.ts'

/** Pieces up to this length are gathered, since each one of its own costs hundreds of bytes. */
const SMALL_BYTES = 1_024
/** Number of pieces from which small ones are gathered. */
const MANY = 8

/** Input that was received and is not read yet. */
export class HeldInput {
  /** Number of bytes. */
  bytes = 0
  private pieces: Buffer[] = []
  private tail: Gathered | null = null

  push(piece: Buffer): void {
    this.bytes += piece.length
    if (piece.length <= SMALL_BYTES && this.pieces.length >= MANY) {
      this.tail ??= new Gathered()
      this.tail.add(piece)
    } else {
      this.flushTail()
      this.pieces.push(keep(piece))
    }
  }

  /** Takes the first piece. Call only if there are bytes, and `letGo` once all of the piece is read. */
  shift(): Buffer {
    if (this.pieces.length === 0) this.flushTail()
    const piece = this.pieces.shift() as Buffer
    this.bytes -= piece.length
    return piece
  }

  /** Puts the unread rest of the first piece back. */
  unshift(rest: Buffer): void {
    this.pieces.unshift(rest)
    this.bytes += rest.length
  }

  /** Takes all pieces. */
  takeAll(): readonly Buffer[] {
    this.flushTail()
    this.bytes = 0
    return this.pieces.splice(0)
  }

  private flushTail(): void {
    if (this.tail === null) return
    this.pieces.push(this.tail.bytes.subarray(0, this.tail.length))
    this.tail = null
  }
}
