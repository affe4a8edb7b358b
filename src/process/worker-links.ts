import { createServer, type Server } from 'node:net'
import type { Logger } from 'pino'
import type { ControlHalf } from '../control/control-half.ts'
import { StreamEnd } from '../control/stream-link.ts'
import type { KnownHealth, ToControl, ToProxy } from '../model/messages.ts'
import { listen } from '../proxy/client/listen.ts'

/** What a worker says first: who it is, and what it knows from a control process before this one. */
export interface Hello {
  readonly type: 'hello'
  readonly name: string
  readonly health: KnownHealth
}

/** The control process's end of the wires to the workers: they connect to a socket file, and again when the wire is cut. */
export class WorkerLinks {
  private readonly control: ControlHalf
  private readonly log: Logger
  private readonly server: Server

  constructor(control: ControlHalf, log: Logger) {
    this.control = control
    this.log = log
    this.server = createServer((socket) => {
      let name: string | null = null
      const fail = (error: Error): void => log.error({ worker: name, err: error }, 'the wire to a worker is broken')
      const link = new StreamEnd<ToProxy, ToControl | Hello>(socket, fail)
      // Once it has said who it is, it says nothing of the kind again.
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

  /** `path`: of the socket file, in a directory that only we may enter. */
  async open(path: string): Promise<void> {
    await listen(this.server, { path })
    this.log.debug({ path }, 'workers may connect')
  }

  close(): void {
    this.server.close()
  }
}
