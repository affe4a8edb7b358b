/**
 * Entry point of a worker process: the data plane of one slot. It holds connections and forwards requests, without
 * decisions.
 */
import { flushCompileCache } from 'node:module'
import type { ToControl, ToProxy } from '../model/messages.ts'
import type { Listener } from '../proxy/client/client-listeners.ts'
import { DataPlane } from '../proxy/data-plane.ts'
import { AccessLog } from '../telemetry/access-log/access-log.ts'
import { openLog } from '../telemetry/log.ts'
import { VitalsMeter } from '../telemetry/vitals.ts'
import { ControlWire } from './control-wire.ts'
import type { FromChild, ToChild, WorkerInit } from './ipc.ts'

/** Interval of the signs of life. */
const ALIVE_MS = 1_000

const log = openLog({ role: 'worker' })
process.on('disconnect', () => process.exit(1))
// A bug in the handling of one request must not end all others; it is logged instead.
process.on('uncaughtException', (error) => log.error({ err: error }, 'unexpected error; the process continues'))
process.once('message', (message: ToChild) => {
  if (message.type === 'worker') new Worker(message)
})

class Worker {
  private readonly init: WorkerInit
  private readonly plane: DataPlane
  private readonly wire: ControlWire
  private readonly vitals = new VitalsMeter()
  /** Listeners on the sockets of other slots, by slot. */
  private readonly adopted = new Map<number, Listener[]>()
  private hasTable = false

  constructor(init: WorkerInit) {
    this.init = init
    const { proxy, tracing, name } = init
    const accessLog = proxy.accessLog === null ? null : new AccessLog(proxy.accessLog, log, true)
    const share = { index: init.slot, of: init.workers }
    const settings = { ...proxy, tracing }
    this.plane = new DataPlane(settings, accessLog, (message) => this.sendToControl(message), log, share)
    this.wire = new ControlWire({
      path: init.wire,
      name,
      health: () => this.plane.targets.health(),
      receive: (message) => this.receive(message),
      onConnected: () => this.plane.reportAll(),
    })
    process.on('message', (message: ToChild, handle: unknown) => this.handleMessage(message, handle))
    setInterval(() => this.tellAlive(), ALIVE_MS).unref()
  }

  private receive(message: ToProxy): void {
    this.plane.receive(message)
    if (message.type !== 'table' || this.hasTable) return
    // No connection is accepted before a table is in force.
    this.hasTable = true
    this.serve().then(
      () => {
        send({ type: 'ready' })
        flushCompileCache()
      },
      (error: Error) => {
        fail(`cannot listen: ${error.message}`)
      },
    )
  }

  private handleMessage(message: ToChild, handle: unknown): void {
    switch (message.type) {
      case 'adopt':
        this.adopt(message.slot, message.listener, handle as object).catch((error: unknown) =>
          log.error({ err: error }, 'adopting a socket failed'),
        )
        break
      case 'release':
        for (const listener of this.adopted.get(message.slot) ?? []) listener.close()
        this.adopted.delete(message.slot)
        break
      case 'reopenLog':
        this.plane.accessLog?.reopen()
        break
      case 'stop':
        this.plane.receive({ ...message, acceptForMs: 0, tunnels: 'atDeadline' })
        break
      case 'stopAll':
        this.plane.receive({ ...message, type: 'stop', tunnels: 'atOnce' })
        break
    }
  }

  /** Accepts connections from the sockets of this worker's slot. */
  private async serve(): Promise<void> {
    for (const { fd, ...options } of this.init.listeners) await this.plane.listen({ fd }, options)
  }

  private async adopt(slot: number, listener: number, handle: object): Promise<void> {
    const listeners = this.adopted.get(slot) ?? []
    this.adopted.set(slot, listeners)
    const opened = await this.plane.listen({ handle }, this.init.listeners[listener])
    // The slot may have been released in the meantime.
    if (this.adopted.get(slot) === listeners) listeners.push(opened)
    else opened.close()
  }

  private tellAlive(): void {
    send({ type: 'alive' })
    this.wire.send({ type: 'vitals', vitals: this.vitals.read() })
  }

  private sendToControl(message: ToControl): void {
    // Without the hooks, this worker would let through what they refuse.
    if (message.type === 'hooksFailed' && !this.hasTable) {
      const { place, message: why } = message.problem
      fail(`cannot use the hooks: ${place}: ${why}`)
    }
    if (message.type !== 'stopped') {
      this.wire.send(message)
      return
    }
    this.tellAlive()
    this.wire.send({ type: 'report', id: 0, report: this.plane.report() })
    this.wire.send(message)
    send({ type: 'stopped', cut: message.cut })
    void this.wire.close().then(() => process.exit(0))
  }
}

/** Ends this process, which cannot start. */
function fail(message: string): never {
  send({ type: 'failed', message, exitCode: 1 })
  process.exit(1)
}

function send(message: FromChild): void {
  process.send?.(message)
}
