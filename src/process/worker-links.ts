import { createServer, type Server } from 'node:net'
import type { Logger } from 'pino'
import type { Control } from '../control/control.ts'
import { StreamEnd } from '../control/stream-link.ts'
import type { KnownHealth, ToControl, ToProxy } from '../model/messages.ts'
import { listen } from '../net/listen.ts'

/** First message of a worker: its name, and the health that it knows from a previous control process. */
export interface Hello {
  readonly type: 'hello'
  readonly name: string
  readonly health: KnownHealth
}

/**
 * The control process's end of the wires to the workers, which connect to a socket file and reconnect when a wire
 * breaks.
 */
export class WorkerLinks {
  private readonly control: Control
  private readonly log: Logger
  private readonly server: Server

  constructor(control: Control, log: Logger) {
    this.control = control
    this.log = log
    this.server = createServer((socket) => {
      let name: string | null = null
      const fail = (error: Error): void => log.error({ worker: name, err: error }, 'the wire to a worker is broken')
      const link = new StreamEnd<ToProxy, ToControl | Hello>(socket, fail)
      // `hello` is sent only once, so everything after it is a `ToControl`.
      const wire = link as StreamEnd<ToProxy, ToControl>
      link.receive((message) => {
        if (message.type !== 'hello') return
        name = message.name
        this.control.attach(name, wire, message.health)
      })
      socket.once('close', () => {
        if (name !== null) this.control.detach(name, wire)
      })
    })
  }

  /** Listens on a socket file. `path`: in a folder that only this user may enter. */
  async open(path: string): Promise<void> {
    await listen(this.server, { path })
    this.log.debug({ path }, 'workers may connect')
  }

  close(): void {
    this.server.close()
  }
}
