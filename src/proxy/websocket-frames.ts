/** Close frame from a server to a client: code 1001, "going away". Source: RFC 6455 §5.5.1. */
export const CLOSE_TO_CLIENT = Buffer.from([0x88, 0x02, 0x03, 0xe9])
/** The same frame from a client to a server: masked, as required of clients, with a key of zeros. */
export const CLOSE_TO_SERVER = Buffer.from([0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9])

/** Header bytes before the extended length. */
const BASE_BYTES = 2
const MASK_BYTES = 4

/**
 * Tracks frame boundaries in one direction of a WebSocket, without looking at payloads. Only at a boundary may another
 * frame be inserted. Source: RFC 6455 §5.2.
 */
export class FrameCursor {
  private readonly header = Buffer.alloc(14)
  private headerBytes = 0
  private payloadLeft = 0

  /** Whether the last frame is complete. */
  get atBoundary(): boolean {
    return this.headerBytes === 0 && this.payloadLeft === 0
  }

  /**
   * Processes the next bytes; with `toBoundary` only up to the end of the current frame. Returns the number processed.
   */
  advance(chunk: Buffer, toBoundary = false): number {
    let at = 0
    while (at < chunk.length && !(toBoundary && this.atBoundary)) {
      if (this.payloadLeft > 0) {
        const step = Math.min(this.payloadLeft, chunk.length - at)
        this.payloadLeft -= step
        at += step
        continue
      }
      this.header[this.headerBytes++] = chunk[at++] as number
      if (this.headerBytes === this.headerLength()) {
        this.payloadLeft = this.payloadLength()
        this.headerBytes = 0
      }
    }
    return at
  }

  private headerLength(): number {
    if (this.headerBytes < BASE_BYTES) return BASE_BYTES
    const second = this.header[1] as number
    const length = second & 0x7f
    return BASE_BYTES + (length === 126 ? 2 : length === 127 ? 8 : 0) + (second & 0x80 ? MASK_BYTES : 0)
  }

  private payloadLength(): number {
    const length = (this.header[1] as number) & 0x7f
    if (length === 126) return this.header.readUInt16BE(BASE_BYTES)
    if (length === 127) return Number(this.header.readBigUInt64BE(BASE_BYTES))
    return length
  }
}
