import { once } from 'node:events'
import net from 'node:net'
import { type Listening, startRawUpstream } from './upstream.ts'

/** Types of frames, RFC 9113 §6. */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const
export const END_STREAM = 1
export const ACK = 1
export const END_HEADERS = 4
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

export type Pairs = readonly (readonly [name: string, value: string])[]

/** Builds a frame. */
export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A block of fields, as literals without indexing (RFC 7541 §6.2.2), one character per byte, whatever they are. */
export function block(fields: Pairs): Buffer {
  return Buffer.concat(
    fields.flatMap(([name, value]) => [
      Buffer.from([0]),
      prefixed(name.length),
      Buffer.from(name, 'latin1'),
      prefixed(value.length),
      Buffer.from(value, 'latin1'),
    ]),
  )
}

/** The pseudo-header fields of a request. */
export function requestFields(path = '/', method = 'GET', authority = 'a'): Pairs {
  return [
    [':method', method],
    [':scheme', 'http'],
    [':path', path],
    [':authority', authority],
  ]
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** One end of a connection of HTTP/2 on which frames are read and written by hand. */
export class RawHttp2 {
  readonly socket: net.Socket
  readonly frames: Frame[] = []
  /** Whether the other side has closed the connection. */
  isClosed = false
  private unread: Buffer = Buffer.alloc(0)

  private constructor(socket: net.Socket) {
    this.socket = socket.setNoDelay()
    socket.on('data', (chunk: Buffer) => this.take(chunk))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isClosed = true
      socket.emit('progress')
    })
  }

  /**
   * Connects to `http://HOST:PORT`. `settings`: payload of the first SETTINGS frame. `allowHalfOpen`: it stays open when the
   * other side has closed.
   */
  static async connect(url: string, settings: Buffer = Buffer.alloc(0), allowHalfOpen = false): Promise<RawHttp2> {
    const { hostname, port } = new URL(url)
    const raw = new RawHttp2(net.connect({ port: Number(port), host: hostname, allowHalfOpen }))
    await once(raw.socket, 'connect')
    raw.send(PREFACE, frame(FRAME.settings, 0, 0, settings))
    return raw
  }

  /** The server's end of a connection. */
  static accepted(socket: net.Socket): RawHttp2 {
    return new RawHttp2(socket)
  }

  send(...frames: readonly Buffer[]): boolean {
    return this.socket.write(Buffer.concat(frames))
  }

  /** Resolves when more can be sent, or the connection has closed. */
  async writable(): Promise<void> {
    if (this.isClosed || !this.socket.writableNeedDrain) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.socket.once('drain', resolve).once('close', resolve)
    // A peer that takes nothing is left to itself.
    setTimeout(resolve, 200)
    await promise
  }

  /** Sends a request. */
  request(stream: number, fields: Pairs, flags = END_STREAM | END_HEADERS): void {
    this.send(frame(FRAME.headers, flags, stream, block(fields)))
  }

  /** Resolves with the id of the stream of the `index`-th request from 0; null = the connection has closed. */
  async requestId(index: number): Promise<number | null> {
    for (;;) {
      const heads = this.frames.filter(({ type }) => type === FRAME.headers)
      if (heads.length > index) return heads[index]?.stream ?? null
      if (this.isClosed) return null
      await this.progress()
    }
  }

  /** Resolves with the first frame that fits, among those already received as well; null = the connection has closed. */
  async find(fits: (frame: Frame) => boolean): Promise<Frame | null> {
    for (;;) {
      const found = this.frames.find(fits)
      if (found !== undefined) return found
      if (this.isClosed) return null
      await this.progress()
    }
  }

  /** Resolves when the connection has closed. */
  async closed(): Promise<void> {
    while (!this.isClosed) await this.progress()
  }

  /** The error code of the RST_STREAM of a stream; null = the connection has closed without one. */
  async resetOf(stream: number): Promise<number | null> {
    const found = await this.find((each) => each.type === FRAME.reset && each.stream === stream)
    return found?.payload.readUInt32BE(0) ?? null
  }

  /** The error code of a GOAWAY; null = the connection has closed without one. */
  async goawayCode(): Promise<number | null> {
    const found = await this.find(({ type }) => type === FRAME.goaway)
    return found?.payload.readUInt32BE(4) ?? null
  }

  /** Resolves with the next frames, or when the connection closes. An error of the socket is followed by its end. */
  private progress(): Promise<void> {
    return new Promise((resolve) => this.socket.once('progress', resolve))
  }

  destroy(): void {
    this.socket.destroy()
  }

  /** Reads bytes. */
  take(chunk: Buffer): void {
    this.unread = Buffer.concat([this.unread, chunk])
    for (;;) {
      if (this.unread.length < 9) break
      const length = this.unread.readUIntBE(0, 3)
      if (this.unread.length < 9 + length) break
      const [type, flags] = [this.unread[3] as number, this.unread[4] as number]
      const stream = this.unread.readUInt32BE(5) & 0x7fffffff
      const payload = Buffer.from(this.unread.subarray(9, 9 + length))
      this.unread = this.unread.subarray(9 + length)
      this.frames.push({ type, flags, stream, payload })
      if (type === FRAME.settings && flags !== ACK) this.send(frame(FRAME.settings, ACK, 0))
    }
    this.socket.emit('progress')
  }
}

/** A length with a prefix of seven bits, RFC 7541 §5.1. */
function prefixed(length: number): Buffer {
  if (length < 127) return Buffer.from([length])
  const bytes = [127]
  let rest = length - 127
  for (; rest >= 128; rest >>= 7) bytes.push((rest % 128) + 128)
  bytes.push(rest)
  return Buffer.from(bytes)
}

/** A server of HTTP/2 whose frames are written by hand; `onConnection` gets each connection once its preface has come. */
export async function startRawHttp2(onConnection: (raw: RawHttp2) => unknown): Promise<Listening> {
  return startRawUpstream((socket) => {
    socket.once('data', (first: Buffer) => {
      const raw = RawHttp2.accepted(socket)
      // The server's settings come before its first answer to the client's.
      onConnection(raw)
      raw.take(first.subarray(PREFACE.length))
    })
  })
}
