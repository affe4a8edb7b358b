const MIN_BYTES = 1_024

/** Bytes that came in several pieces, one behind the other. */
export class Gathered {
  length = 0
  /** Beyond `length` there is nothing of use. */
  bytes: Buffer = Buffer.alloc(0)

  add(piece: Buffer): void {
    const needed = this.length + piece.length
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(MIN_BYTES, 2 * needed))
      this.bytes.copy(larger, 0, 0, this.length)
      this.bytes = larger
    }
    piece.copy(this.bytes, this.length)
    this.length = needed
  }
}
