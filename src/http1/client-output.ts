import type { Socket } from 'node:net'
import type { Deadline, Deadlines } from './deadlines.ts'
import { SocketWriter } from './socket-writer.ts'

/** Writes to a client, and limits the time for which it may take nothing. */
export class ClientOutput {
  private readonly socket: Socket
  private readonly deadlines: Deadlines
  private readonly timeoutMs: number
  private readonly writer: SocketWriter
  /** Created when one is needed. */
  private stall: Deadline | null = null

  /**
   * `timeoutMs`: after it, a client that takes nothing is disconnected; 0 = never. `onReady`: called when `write` has
   * returned false, and more can be written.
   */
  constructor(socket: Socket, deadlines: Deadlines, timeoutMs: number, onReady: () => void) {
    this.socket = socket
    this.deadlines = deadlines
    this.timeoutMs = timeoutMs
    this.writer = new SocketWriter(socket, () => {
      if (this.writer.isPending) this.await()
      else this.stall?.clear()
      onReady()
    })
  }

  /** Whether more should be written only after `onReady`. */
  get isFull(): boolean {
    return this.writer.isFull
  }

  /** See `SocketWriter.write`. */
  write(before: string, piece: Buffer | null, after = ''): boolean {
    const takesMore = this.writer.write(before, piece, after)
    if (!takesMore) this.await()
    return takesMore
  }

  /** Ends the output after what was written. `onEnded`: called when all of it is sent. */
  end(onEnded: () => void): void {
    if (this.writer.isPending) this.await()
    this.socket.once('finish', () => {
      this.stall?.clear()
      onEnded()
    })
    this.writer.end()
  }

  /** Leaves the socket to another writer. */
  release(): void {
    this.stall?.close()
    this.writer.release()
  }

  /** Call when the socket has closed. */
  closed(): void {
    this.stall?.close()
  }

  private await(): void {
    this.stall ??= this.deadlines.create(() => this.socket.destroy())
    this.stall.set(this.timeoutMs)
  }
}
