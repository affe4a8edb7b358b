import type { Socket } from 'node:net'
import type { Deadline, Deadlines } from '../../http1/deadlines.ts'
import type { InputTaker, NextBuffer, SocketInput } from '../../http1/socket-input.ts'
import { isPreface } from '../../http2/preface.ts'
import type { ClientPeer } from './client-peer.ts'

interface UndecidedOptions {
  readonly deadlines: Deadlines
  /** Max time for the first bytes; 0 = no limit. */
  readonly timeoutMs: number
  /** The first bytes of the connection have shown its protocol. `first`: these bytes. */
  readonly onDecided: (isHttp2: boolean, first: Buffer) => void
  readonly onClosed: () => void
}

/** A connection whose client may speak HTTP/1.1 or HTTP/2: its first bytes tell. */
export class UndecidedConnection implements ClientPeer, InputTaker {
  readonly served = 0
  readonly idleSince = performance.now()
  readonly isBusy = false
  private readonly socket: Socket
  private readonly input: SocketInput
  private readonly options: UndecidedOptions
  private readonly deadline: Deadline
  private first: Buffer = Buffer.alloc(0)

  constructor(socket: Socket, input: SocketInput, options: UndecidedOptions) {
    this.socket = socket
    this.input = input
    this.options = options
    this.deadline = options.deadlines.create(() => this.destroy())
    this.deadline.set(options.timeoutMs)
    input.taker = this
    socket.on('end', this.onEnd).on('error', this.onError).on('close', this.onClose)
  }

  onInput(bytes: Buffer): NextBuffer {
    this.first = Buffer.concat([this.first, bytes])
    const isHttp2 = isPreface(this.first)
    if (isHttp2 !== null) {
      this.deadline.close()
      this.socket.off('end', this.onEnd).off('error', this.onError).off('close', this.onClose)
      this.input.taker = null
      this.options.onDecided(isHttp2, this.first)
    }
    return 'shared'
  }

  drain(): void {
    // It has sent no request.
  }

  cut(): number {
    return 0
  }

  close(): void {
    this.destroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  private readonly onEnd = (): void => this.destroy()
  private readonly onError = (): void => this.destroy()
  private readonly onClose = (): void => {
    this.deadline.close()
    this.input.closed()
    this.options.onClosed()
  }
}
