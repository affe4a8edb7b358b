import { once } from 'node:events'
import net from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** One end of a connection: what has come and is not taken yet, and how the other side has ended its direction. */
export class Pipe {
  readonly socket: net.Socket
  /** The TCP connection beneath, where that is another one. */
  private readonly tcp: net.Socket
  received = Buffer.alloc(0)
  ended: 'fin' | 'reset' | null = null
  /** Called when something comes, or is sent. */
  onMove = (): void => undefined
  private waiting: (() => void)[] = []

  constructor(socket: net.Socket, tcp: net.Socket = socket) {
    this.socket = socket
    this.tcp = tcp.setNoDelay()
    socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk])
      this.wake()
    })
    socket.on('end', () => this.end('fin'))
    socket.on('error', () => this.end('reset'))
    socket.on('close', () => this.end('fin'))
  }

  static async open(port: number): Promise<Pipe> {
    const pipe = new Pipe(net.connect({ host: '127.0.0.1', port, allowHalfOpen: true }))
    await once(pipe.socket, 'connect')
    return pipe
  }

  /** Resolves when there are more bytes, or the other side has ended its direction. */
  progress(): Promise<void> {
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  take(length: number): void {
    this.received = this.received.subarray(length)
  }

  /** Sends each piece in a turn of its own, so that the other side is likely to read it by itself. */
  async write(pieces: readonly Buffer[]): Promise<void> {
    for (const [i, piece] of pieces.entries()) {
      if (i > 0) await nextTurn()
      if (this.socket.destroyed || !this.socket.writable) return
      this.onMove()
      this.socket.write(piece)
    }
  }

  /** Ends our direction, or the whole connection at once. */
  leave(how: 'fin' | 'reset'): void {
    if (how === 'fin') this.socket.end()
    else if (!this.tcp.destroyed) this.tcp.resetAndDestroy()
  }

  private end(how: 'fin' | 'reset'): void {
    this.ended ??= how
    this.wake()
  }

  private wake(): void {
    this.onMove()
    const waiting = this.waiting
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}
