import type { Http2Stream } from 'node:http2'
import { keep, letGo } from '../http1/input-buffer.ts'

/** Writes pieces of input to a stream, and lets go of them once they are sent. */
export class StreamWriter {
  private readonly stream: Http2Stream
  private readonly onEmpty: () => void
  private kept: Buffer[] = []

  /** `onEmpty`: called when everything that was written is sent. */
  constructor(stream: Http2Stream, onEmpty: () => void) {
    this.stream = stream
    this.onEmpty = onEmpty
  }

  /** Whether something waits to be sent. */
  get isPending(): boolean {
    return this.kept.length > 0
  }

  /** Writes a piece. Returns false if the caller must wait for `drain` of the stream. */
  write(piece: Buffer): boolean {
    return this.writeKept(keep(piece))
  }

  /** Writes a piece that `keep` has returned. */
  writeKept(piece: Buffer): boolean {
    this.kept.push(piece)
    return this.stream.write(piece, this.onSent)
  }

  /** Writes a piece that `keep` has returned, and ends the stream. */
  endWith(piece: Buffer): void {
    this.kept.push(piece)
    this.stream.write(piece, this.onSent)
    this.stream.end()
  }

  // A stream that is destroyed calls it for each piece that was not sent.
  private readonly onSent = (): void => {
    const piece = this.kept.shift()
    if (piece !== undefined) letGo(piece)
    if (this.kept.length === 0) this.onEmpty()
  }
}
