import { connect, type Socket } from 'node:net'
import { StreamEnd } from '../control/stream-link.ts'
import type { KnownHealth, ToControl, ToProxy } from '../model/messages.ts'
import type { Hello } from './worker-links.ts'

/** Time between a worker's attempts to connect to the control process. */
const RETRY_MS = 50

export interface ControlWireOptions {
  /** Path of the control process's socket file. */
  readonly path: string
  readonly name: string
  /** Returns the health that the data plane knows; sent when the worker connects. */
  readonly health: () => KnownHealth
  readonly receive: (message: ToProxy) => void
  /** Called after each (re)connection, before any other message is sent. */
  readonly onConnected: () => void
}

/**
 * A worker's end of the connection to the control process; reconnects, possibly to the next control process, when it
 * breaks.
 */
export class ControlWire {
  private readonly options: ControlWireOptions
  private link: StreamEnd<ToControl | Hello, ToProxy> | null = null
  private socket: Socket | null = null
  private closed = false

  constructor(options: ControlWireOptions) {
    this.options = options
    this.connect()
  }

  get isConnected(): boolean {
    return this.link !== null
  }

  /**
   * Sends a message, or drops it while disconnected: a control process that connects later asks for the whole state.
   */
  send(message: ToControl): void {
    this.link?.send(message)
  }

  /** Closes the connection for good; resolves once everything that was sent has been written. */
  close(): Promise<void> {
    this.closed = true
    const { socket } = this
    if (socket === null || socket.destroyed) return Promise.resolve()
    return new Promise((resolve) => socket.end(resolve))
  }

  private connect(): void {
    const { path, name, health, receive, onConnected } = this.options
    const socket = connect(path)
    this.socket = socket
    socket.once('connect', () => {
      const link = new StreamEnd<ToControl | Hello, ToProxy>(socket, () => undefined)
      this.link = link
      link.send({ type: 'hello', name, health: health() })
      link.receive(receive)
      onConnected()
    })
    socket.on('error', () => undefined)
    socket.once('close', () => {
      this.link = null
      if (!this.closed) setTimeout(() => this.connect(), RETRY_MS)
    })
  }
}
