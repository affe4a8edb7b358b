import type { Socket } from 'node:net'
import type { Link } from './link.ts'

const LENGTH_BYTES = 4
/** Ten times the size of a whole table of some ten thousand services. */
const MAX_FRAME_BYTES = 512 * 1024 * 1024

/** Frames by message object: a message to several proxies is encoded once. */
const encoded = new WeakMap<object, Buffer>()

/** One end of a link over a socket. Frames are JSON messages, each after its length (4 bytes, big endian). */
export class StreamEnd<Out extends object, In> implements Link<Out, In> {
  private readonly socket: Socket
  private listener: ((message: In) => void) | null = null
  private chunks: Buffer[] = []
  private size = 0
  /** Size of the frame being received, bytes; -1 = its length has not arrived yet. */
  private frameBytes = -1
  /** Messages that arrived before `receive()` was called. */
  private early: In[] = []

  /**
   * `onError`: called with socket errors, and with the error of a message that is invalid or fails in the listener; the
   * latter closes the socket.
   */
  constructor(socket: Socket, onError: (error: Error) => void) {
    this.socket = socket
    socket.on('error', onError)
    socket.on('data', (chunk: Buffer) => {
      try {
        this.take(chunk)
      } catch (error) {
        onError(error as Error)
        socket.destroy()
      }
    })
  }

  send(message: Out): void {
    if (!this.socket.writable) return
    this.socket.write(encode(message))
  }

  receive(listener: (message: In) => void): void {
    this.listener = listener
    const early = this.early
    this.early = []
    for (const message of early) listener(message)
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.size += chunk.length
    for (;;) {
      if (this.frameBytes === -1) {
        if (this.size < LENGTH_BYTES) return
        this.frameBytes = this.cut(LENGTH_BYTES).readUInt32BE()
        if (this.frameBytes > MAX_FRAME_BYTES) throw new Error(`a message of ${this.frameBytes} bytes`)
      }
      if (this.size < this.frameBytes) return
      const message = JSON.parse(this.cut(this.frameBytes).toString()) as In
      this.frameBytes = -1
      if (this.listener === null) this.early.push(message)
      else this.listener(message)
    }
  }

  private cut(bytes: number): Buffer {
    const all = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks)
    this.chunks = [all.subarray(bytes)]
    this.size = all.length - bytes
    return all.subarray(0, bytes)
  }
}

function encode(message: object): Buffer {
  const known = encoded.get(message)
  if (known !== undefined) return known
  const text = JSON.stringify(message)
  const frame = Buffer.allocUnsafe(LENGTH_BYTES + Buffer.byteLength(text))
  frame.writeUInt32BE(frame.length - LENGTH_BYTES)
  frame.write(text, LENGTH_BYTES)
  encoded.set(message, frame)
  return frame
}
