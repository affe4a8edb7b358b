import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { Failed } from './failed.ts'
import type { Head } from './head.ts'
import { parseHead } from './head.ts'

/** Longer than anything here takes on a busy machine, and longer than every timeout of the proxy. */
const HANG_MS = 25_000
const NOTHING = Buffer.alloc(0)
const HEAD_END = '\r\n\r\n'

/** What to do with the next bytes of a body. It is waited for, so that a reader may take its time. */
export type Take = (chunk: Buffer) => unknown

/**
 * A client's connection, read strictly and never faster than asked for. Everything that goes wrong is thrown as a
 * `Failed`; nothing is ever waited for without an end.
 */
export class Connection {
  readonly socket: Socket
  /** How the other side has ended it. */
  private ended: 'fin' | 'reset' | null = null
  private unread: Buffer = NOTHING
  private wake: (() => void) | null = null
  private askedAt = performance.now()
  private hung = false

  private constructor(port: number) {
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true })
    // Where nobody waits, only a look finds the end.
    this.socket.on('readable', () => (this.wake === null ? this.socket.read(0) : this.wake()))
    this.socket.on('drain', () => this.wake?.())
    this.socket.on('end', () => this.end('fin'))
    this.socket.on('error', () => this.end('reset'))
    this.socket.on('close', () => this.end('fin'))
  }

  static async open(port: number): Promise<Connection> {
    const connection = new Connection(port)
    const { socket } = connection
    socket.once('connect', () => connection.wake?.())
    while (socket.connecting && connection.ended === null) await connection.event()
    if (connection.ended !== null) throw new Failed('not connected', connection.hung ? 'hang' : '')
    return connection
  }

  /**
   * For how long the other side has been idle at most: since something was sent here. The end of an answer says less: it
   * may have left the other side long before it was read. Infinity once the connection has ended.
   */
  get mostIdleMs(): number {
    return this.ended === null && !this.socket.destroyed ? performance.now() - this.askedAt : Number.POSITIVE_INFINITY
  }

  /** Bytes have come that nothing here has asked for. */
  get hasSurplus(): boolean {
    return this.unread.length > 0 || this.socket.readableLength > 0
  }

  send(data: string | Buffer): void {
    this.askedAt = performance.now()
    this.socket.write(data)
  }

  /** Sends a long body no faster than it is taken; gives up as soon as there is an answer. Returns whether all went. */
  async sendAll(chunks: Iterable<Buffer>): Promise<boolean> {
    for (const chunk of chunks) {
      if (this.ended !== null || this.hasSurplus) return false
      if (this.socket.write(chunk)) continue
      while (this.socket.writableNeedDrain && this.ended === null && !this.hasSurplus) await this.event()
    }
    return true
  }

  /** Reads the head of the final answer. */
  async head(): Promise<Head> {
    for (;;) {
      const end = this.unread.indexOf(HEAD_END)
      if (end !== -1) {
        const head = parseHead(this.unread.toString('latin1', 0, end))
        this.unread = this.unread.subarray(end + HEAD_END.length)
        if (head.status >= 200) return head
      } else if (!(await this.more())) {
        throw this.failed(this.unread.length === 0 ? 'closed unanswered' : 'broken off')
      }
    }
  }

  /** Reads a body to its end, as its framing has it. */
  async body(head: Head, take: Take): Promise<void> {
    if (head.isChunked) await this.chunks(take)
    else if (head.length !== null) await this.bytes(head.length, take)
    else await this.untilEnd(take)
  }

  /** Waits for the other side to end the connection, in order, with nothing more said. */
  async closed(): Promise<void> {
    if (await this.more()) throw new Failed('surplus bytes', this.unread.toString('latin1', 0, 60))
    if (this.ended !== 'fin') throw this.failed('broken off')
  }

  /** Resolves when anything at all has come of an answer, or the connection has ended. */
  async stirred(): Promise<void> {
    if (this.unread.length === 0) await this.more()
  }

  leave(how: 'close' | 'reset'): void {
    if (how === 'reset') this.socket.resetAndDestroy()
    else this.socket.destroy()
  }

  private async chunks(take: Take): Promise<void> {
    for (;;) {
      const line = await this.line()
      if (!/^[0-9a-f]{1,8}$/i.test(line)) throw new Failed('malformed', `chunk size ${JSON.stringify(line)}`)
      const size = Number.parseInt(line, 16)
      if (size > 0) await this.bytes(size, take)
      if ((await this.line()) !== '') throw new Failed('malformed', 'what follows a chunk')
      if (size === 0) return
    }
  }

  private async bytes(count: number, take: Take): Promise<void> {
    for (let left = count; left > 0; ) {
      if (this.unread.length === 0 && !(await this.more())) throw this.failed('broken off')
      const chunk = this.unread.subarray(0, left)
      this.unread = this.unread.subarray(chunk.length)
      left -= chunk.length
      await take(chunk)
    }
  }

  private async untilEnd(take: Take): Promise<void> {
    while (this.unread.length > 0 || (await this.more())) {
      const chunk = this.unread
      this.unread = NOTHING
      await take(chunk)
    }
    if (this.ended !== 'fin') throw this.failed('broken off')
  }

  private async line(): Promise<string> {
    for (;;) {
      const end = this.unread.indexOf('\r\n')
      if (end !== -1) {
        const line = this.unread.toString('latin1', 0, end)
        this.unread = this.unread.subarray(end + 2)
        return line
      }
      if (!(await this.more())) throw this.failed('broken off')
    }
  }

  /** Waits for more bytes. False: none will come. */
  private async more(): Promise<boolean> {
    for (;;) {
      const chunk: Buffer | null = this.socket.read()
      if (chunk !== null) {
        this.unread = this.unread.length === 0 ? chunk : Buffer.concat([this.unread, chunk])
        return true
      }
      if (this.ended !== null) return false
      await this.event()
    }
  }

  private failed(why: 'closed unanswered' | 'broken off'): Failed {
    return new Failed(this.hung ? 'hang' : why, this.ended ?? '')
  }

  /** Resolves when anything happens to the socket. */
  private event(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.hung = true
        this.socket.destroy()
      }, HANG_MS)
      this.wake = () => {
        this.wake = null
        clearTimeout(timer)
        resolve()
      }
    })
  }

  private end(how: 'fin' | 'reset'): void {
    this.ended ??= how
    this.wake?.()
  }
}
