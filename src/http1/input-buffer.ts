/** Length of a buffer: small enough to stay in the processor's cache until its bytes are sent on (measured). */
const BUFFER_BYTES = 32 * 1024
/** Pieces below this length are copied, not kept: each kept one takes a whole buffer. */
const MIN_KEPT_BYTES = 8 * 1024
/** Max number of free buffers to keep. */
const MAX_FREE = 64

/** The buffer for input that is read in place: its bytes are valid only until the next input of any socket. */
export const SHARED = Buffer.allocUnsafeSlow(BUFFER_BYTES)

const free: InputBuffer[] = []
const byMemory = new WeakMap<ArrayBufferLike, InputBuffer>()

/** A buffer for the input of one socket. It is used again once it is retired and none of its bytes are in use. */
export class InputBuffer {
  readonly bytes = Buffer.allocUnsafeSlow(BUFFER_BYTES)
  private uses = 0
  private isRetired = false

  private constructor() {
    byMemory.set(this.bytes.buffer, this)
  }

  static take(): InputBuffer {
    const buffer = free.pop()
    if (buffer === undefined) return new InputBuffer()
    buffer.isRetired = false
    return buffer
  }

  get isInUse(): boolean {
    return this.uses > 0
  }

  use(): void {
    this.uses++
  }

  release(): void {
    this.uses--
    this.giveBack()
  }

  /** Call when no socket reads into it any more. */
  retire(): void {
    this.isRetired = true
    this.giveBack()
  }

  private giveBack(): void {
    if (this.isRetired && this.uses === 0 && free.length < MAX_FREE) free.push(this)
  }
}

export function isShared(bytes: Buffer): boolean {
  return bytes.buffer === SHARED.buffer
}

/**
 * Returns bytes that stay as they are until `letGo`: a copy if the given ones are shared or few. Call it for all bytes of
 * input that are used for longer than the call in which they were received.
 */
export function keep(bytes: Buffer): Buffer {
  if (bytes.length < MIN_KEPT_BYTES || isShared(bytes)) return Buffer.from(bytes)
  byMemory.get(bytes.buffer)?.use()
  return bytes
}

/** Call once for bytes that `keep` has returned, or for a part of them. Otherwise their buffer is not used again. */
export function letGo(bytes: Buffer): void {
  byMemory.get(bytes.buffer)?.release()
}
