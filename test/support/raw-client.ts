import { once } from 'node:events'
import net from 'node:net'

/** How a message, or a whole connection, came to its end. */
export type Ending =
  /** As its framing says: by length, by the last chunk, or by having no body. */
  | 'framed'
  /** By a clean end of the connection: FIN. */
  | 'fin'
  /** By a reset of the connection: RST. */
  | 'reset'

/** A message as it came over the wire. Text is latin1 throughout: one character a byte. */
export class RawMessage {
  /** Status line or request line. */
  readonly startLine: string
  /** Name and value, in order, spelled as sent. */
  readonly fields: readonly (readonly [name: string, value: string])[]
  body: Buffer = Buffer.alloc(0)
  /** Fields behind the last chunk. */
  trailers: readonly (readonly [name: string, value: string])[] = []
  ending: Ending = 'framed'

  constructor(head: string) {
    const [startLine = '', ...lines] = head.split('\r\n')
    this.startLine = startLine
    this.fields = parseFields(lines)
  }

  get status(): number {
    return Number(/^HTTP\/1\.[01] (\d{3})/.exec(this.startLine)?.[1])
  }

  get text(): string {
    return this.body.toString('latin1')
  }

  /** Every value of a field, in order. */
  all(name: string): string[] {
    return this.fields.filter(([each]) => each.toLowerCase() === name.toLowerCase()).map(([, value]) => value)
  }

  /** The value of a field that occurs once; undefined when it does not occur. Throws when it occurs more often. */
  field(name: string): string | undefined {
    const [value, ...more] = this.all(name)
    if (more.length > 0) throw new Error(`${name} occurs ${more.length + 1} times`)
    return value
  }
}

/** One end of a TCP connection on which HTTP/1.1 is read and written by hand, byte for byte. */
export class RawConnection {
  readonly socket: net.Socket
  /** How the other side has ended its direction; null while it has not. */
  ended: Exclude<Ending, 'framed'> | null = null
  private chunks: Buffer[] = []
  private size = 0

  constructor(socket: net.Socket) {
    this.socket = socket.setNoDelay()
    socket.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk)
      this.size += chunk.length
      socket.emit('progress')
    })
    socket.on('end', () => this.end('fin'))
    // Any other error is a reset as well: EPIPE comes when it is found by writing.
    socket.on('error', () => this.end('reset'))
    socket.on('close', () => this.end('fin'))
  }

  /** Connects to `http://HOST:PORT`, or to a port of this machine. */
  static async connect(to: string | number): Promise<RawConnection> {
    const { hostname, port } = new URL(typeof to === 'number' ? `http://127.0.0.1:${to}` : to)
    const connection = new RawConnection(
      net.connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port), allowHalfOpen: true }),
    )
    await once(connection.socket, 'connect')
    return connection
  }

  /** Sends text (one byte a character) or bytes. */
  send(data: string | Buffer): this {
    this.socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data)
    return this
  }

  /** Sends a request whose head is these lines, and reads its response. */
  ask(lines: readonly string[], body: string | Buffer = ''): Promise<RawMessage> {
    this.send(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), Buffer.from(body)]))
    return this.response(lines[0]?.split(' ')[0])
  }

  /** Reads a head, and nothing of the body behind it. Rejects when the connection ends before. */
  async head(): Promise<RawMessage> {
    return new RawMessage((await this.through('\r\n\r\n')).slice(0, -4))
  }

  /** Reads a response to its end, however it ends; rejects when the connection ends within the head. */
  async response(method = 'GET'): Promise<RawMessage> {
    const message = await this.head()
    const { status } = message
    if (method !== 'HEAD' && status >= 200 && status !== 204 && status !== 304) await this.body(message, true)
    return message
  }

  /** Reads a request to its end. */
  async request(): Promise<RawMessage> {
    const message = await this.head()
    await this.body(message, false)
    return message
  }

  /** Reads the body of a request whose head has been read. */
  async bodyOf(request: RawMessage): Promise<void> {
    await this.body(request, false)
  }

  /** Everything until the other side ends its direction. */
  async rest(): Promise<string> {
    while (this.ended === null) await this.progress()
    return this.take(this.size).toString('latin1')
  }

  /** How the other side ends its direction, whatever it sends before. */
  async closed(): Promise<Ending> {
    while (this.ended === null) await this.progress()
    return this.ended
  }

  /** Takes exactly this many bytes. Rejects when the connection ends before. */
  async bytes(count: number): Promise<Buffer> {
    while (this.size < count) {
      if (this.ended !== null) throw new Error(`the connection ended (${this.ended}) after ${this.seen()}`)
      await this.progress()
    }
    return this.take(count)
  }

  /** Whether bytes have come that nobody has asked for. */
  get hasMore(): boolean {
    return this.size > 0
  }

  destroy(): void {
    this.socket.destroy()
  }

  private async body(message: RawMessage, isResponse: boolean): Promise<void> {
    const length = message.field('content-length')
    if (message.field('transfer-encoding') !== undefined) await this.chunked(message)
    else if (length !== undefined) await this.upTo(message, Number(length))
    else if (isResponse) {
      message.body = Buffer.from(await this.rest(), 'latin1')
      message.ending = this.ended ?? 'framed'
    }
  }

  private async chunked(message: RawMessage): Promise<void> {
    const parts: Buffer[] = []
    try {
      for (;;) {
        const line = await this.through('\r\n')
        if (!/^[0-9a-f]+(;.*)?\r\n$/i.test(line)) throw new SyntaxError(`not a chunk size: ${JSON.stringify(line)}`)
        const length = Number.parseInt(line, 16)
        if (length === 0) break
        const part = new RawMessage('')
        await this.upTo(part, length)
        parts.push(part.body)
        if ((await this.bytes(2)).toString() !== '\r\n') throw new SyntaxError('a chunk does not end where it should')
      }
      const lines: string[] = []
      for (let line = await this.through('\r\n'); line !== '\r\n'; line = await this.through('\r\n')) {
        lines.push(line.slice(0, -2))
      }
      message.trailers = parseFields(lines)
    } catch (error) {
      if (error instanceof SyntaxError || this.ended === null) throw error
      message.ending = this.ended
    }
    message.body = Buffer.concat(parts)
  }

  /** Adds `length` bytes to a body, or what there is of them. */
  private async upTo(message: RawMessage, length: number): Promise<void> {
    while (this.size < length && this.ended === null) await this.progress()
    message.body = this.take(Math.min(length, this.size))
    if (message.body.length < length && this.ended !== null) message.ending = this.ended
  }

  private async through(end: string): Promise<string> {
    for (;;) {
      const all = this.peek()
      const at = all.indexOf(end, 0, 'latin1')
      if (at !== -1) return this.take(at + end.length).toString('latin1')
      if (this.ended !== null) throw new Error(`the connection ended (${this.ended}) after ${this.seen()}`)
      await this.progress()
    }
  }

  private peek(): Buffer {
    const all = this.chunks.length === 1 ? (this.chunks[0] as Buffer) : Buffer.concat(this.chunks)
    this.chunks = [all]
    return all
  }

  private take(count: number): Buffer {
    const all = this.peek()
    this.chunks = [all.subarray(count)]
    this.size = all.length - count
    return all.subarray(0, count)
  }

  private seen(): string {
    return JSON.stringify(this.peek().toString('latin1').slice(0, 200))
  }

  private async progress(): Promise<void> {
    await new Promise((resolve) => this.socket.once('progress', resolve))
  }

  private end(how: Exclude<Ending, 'framed'>): void {
    this.ended ??= how
    this.socket.emit('progress')
  }
}

/** The body in chunks of at most `chunkBytes`, with the last chunk. */
export function inChunks(body: Buffer, chunkBytes: number): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; at < body.length; at += chunkBytes) {
    const part = body.subarray(at, at + chunkBytes)
    parts.push(Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from('\r\n'))
  }
  return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')])
}

/** `length` bytes in which every value from 0 to 255 occurs, not in a simple order. */
export function binary(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) bytes[i] = (i * 167 + (i >> 8) * 13) & 0xff
  return bytes
}

function parseFields(lines: readonly string[]): [string, string][] {
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon), line.slice(colon + 1).trim()]
    })
}
