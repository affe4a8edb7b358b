import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Disturbance, FromUpstream, Mode, ToUpstream } from './upstream-messages.ts'

const FILE = fileURLToPath(new URL('upstream.ts', import.meta.url))

export interface UpstreamEvents {
  /** A request is answered badly on purpose. */
  disturbed(id: string, how: Disturbance): void
  /** The process ended, and nobody had asked for it. */
  lost(error: Error): void
}

/** A process of servers, as seen by the one that runs the soak. */
export class UpstreamProcess {
  /** Where its servers listen, by name; the same in every life. */
  ports: Readonly<Record<string, number>>
  private readonly events: UpstreamEvents
  private child: ChildProcess | null = null
  private mayEnd = false

  private constructor(names: readonly string[], events: UpstreamEvents) {
    this.ports = Object.fromEntries(names.map((name) => [name, 0]))
    this.events = events
  }

  /** Starts a process with a server for each name, on any free ports. Resolves when they listen. */
  static async start(names: readonly string[], events: UpstreamEvents): Promise<UpstreamProcess> {
    const upstream = new UpstreamProcess(names, events)
    await upstream.start()
    return upstream
  }

  become(mode: Mode): void {
    const message: ToUpstream = { mode }
    this.child?.send(message)
  }

  /** Ends the process by a signal. Resolves when it has gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this
    this.mayEnd = true
    if (child === null || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** Starts it again on the same ports. Resolves when they listen. */
  async start(): Promise<void> {
    this.mayEnd = false
    const child = fork(FILE, [JSON.stringify(this.ports)], { execArgv: [] })
    this.child = child
    const listening = new Promise<Readonly<Record<string, number>>>((resolve, reject) => {
      child.on('message', (message: FromUpstream) => {
        if (message.type === 'listening') resolve(message.ports)
        else this.events.disturbed(message.id, message.how)
      })
      child.once('exit', (code, signal) => {
        const error = new Error(`the servers ${Object.keys(this.ports)} ended by themselves (${signal ?? code})`)
        reject(error)
        if (!this.mayEnd) this.events.lost(error)
      })
    })
    this.ports = await listening
  }
}
