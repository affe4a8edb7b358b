import { connect, type Socket } from 'node:net'
import { StreamEnd } from '../control/stream-link.ts'
import type { KnownHealth, ToControl, ToProxy } from '../model/messages.ts'
import type { Hello } from './worker-links.ts'

/** How soon a worker tries again to reach the control process. */
const RETRY_MS = 50

export interface ControlWireOptions {
  /** Of the control process's socket file. */
  readonly path: string
  readonly name: string
  /** What the data plane knows of health. */
  readonly health: () => KnownHealth
  readonly receive: (message: ToProxy) => void
  /** Called whenever a wire is there that nothing has been told on yet. */
  readonly onConnected: () => void
}

/** A worker's end of the wire to the control process, whichever that is: when it is cut, it connects to the next one. */
export class ControlWire {
  private readonly options: ControlWireOptions
  private link: StreamEnd<ToControl | Hello, ToProxy> | null = null
  private socket: Socket | null = null
  private closed = false

  constructor(options: ControlWireOptions) {
    this.options = options
    this.connect()
  }

  /** What is told while nobody listens is lost: a control process that comes later asks for all there is. */
  send(message: ToControl): void {
    this.link?.send(message)
  }

  /** Hangs up once everything that was sent is on its way. */
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
