/** Bytes of a page of which nothing is known. */
const FIRST_BYTES = 64 * 1024
/** Max bytes of a UTF-16 unit in UTF-8. */
const MAX_UNIT_BYTES = 3

/** A text that is written piece by piece into one buffer: joined strings of many megabytes cost ten times as much CPU. */
export class Page {
  private buffer: Buffer
  private length = 0

  /** `expected`: bytes that it will probably have. */
  constructor(expected = FIRST_BYTES) {
    this.buffer = Buffer.allocUnsafe(Math.max(FIRST_BYTES, expected))
  }

  write(text: string): void {
    const most = this.length + text.length * MAX_UNIT_BYTES
    if (most > this.buffer.length) this.grow(most)
    this.length += this.buffer.write(text, this.length)
  }

  get bytes(): Buffer {
    return this.buffer.subarray(0, this.length)
  }

  private grow(least: number): void {
    const larger = Buffer.allocUnsafe(Math.max(least, this.buffer.length * 2))
    this.buffer.copy(larger, 0, 0, this.length)
    this.buffer = larger
  }
}
