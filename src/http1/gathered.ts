const MIN_BYTES = 1_024

/** Growing buffer for bytes that arrive in several pieces. */
export class Gathered {
  length = 0
  /** Only the first `length` bytes are valid. */
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
