import type { Socket } from 'node:net'
import type { Link } from './link.ts'

const LENGTH_BYTES = 4
/** A whole table of some ten thousand services is a tenth of this. */
const MAX_FRAME_BYTES = 512 * 1024 * 1024

/** The bytes of messages that go to several ends: written once. */
const encoded = new WeakMap<object, Buffer>()

/** One end of a wire over a socket: messages as JSON, each behind its length (4 bytes, big endian). */
export class StreamEnd<Out extends object, In> implements Link<Out, In> {
  private readonly socket: Socket
  private listener: ((message: In) => void) | null = null
  private chunks: Buffer[] = []
  private size = 0
  /** Bytes of the frame that is coming in; -1 = its length has not come yet. */
  private frameBytes = -1
  /** Messages that came before there was somebody to take them. */
  private early: In[] = []

  /** What makes no sense, or cannot be dealt with, ends the connection: `onError` is told why. */
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
