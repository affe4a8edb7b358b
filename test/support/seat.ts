import { once } from 'node:events'
import { createServer } from 'node:net'
import { Cutover, type CutoverOptions } from './cutover.ts'
import { type ProcessOf, processesOf, type Role } from './processes.ts'
import type { Relay } from './relay.ts'

/** Longer than what a supervisor takes for having died at once (src/process/slot.ts). */
const LIVED_MS = 6_000

export type SeatOptions = Omit<CutoverOptions, 'dataPath'> & { readonly dataPath: string }

/** The place of an instance in a fleet: it keeps its way to Redis and its folder, whatever becomes of the instance. */
export class Seat {
  readonly name: string
  readonly relay: Relay
  readonly dataPath: string
  readonly #options: SeatOptions
  #cutover: Cutover | null = null
  #controlSince = 0
  /** Of the admin API: an instance that starts where another one was killed is known by it to have replaced that one. */
  #adminPort = 0
  /** All that instances here have printed before the present one. */
  #printed = ''

  constructor(name: string, relay: Relay, options: SeatOptions) {
    this.name = name
    this.relay = relay
    this.dataPath = options.dataPath
    this.#options = options
  }

  /** The present instance, or the last one. */
  get cutover(): Cutover {
    if (this.#cutover === null) throw new Error(`${this.name} was not started`)
    return this.#cutover
  }

  get hasStarted(): boolean {
    return this.#cutover !== null
  }

  get printed(): string {
    return `${this.#printed}${this.cutover.stdout}${this.cutover.stderr}`
  }

  /** What its instances run on. */
  get options(): CutoverOptions {
    const { admin, store, fleet } = this.#options
    return {
      ...this.#options,
      admin: { listen: `127.0.0.1:${this.#adminPort}`, ...admin },
      store: { redis: `redis://127.0.0.1:${this.relay.port}`, ...store },
      fleet: { name: this.name, ...fleet },
    }
  }

  /** Starts an instance on what the last one has left. */
  async start(): Promise<void> {
    if (this.#cutover !== null) this.#printed = `${this.printed}\n--- started again\n`
    if (this.#adminPort === 0) this.#adminPort = await lastingPort()
    this.#cutover = await Cutover.start(this.options)
    this.#controlSince = performance.now()
  }

  /** Whether there is no control process to be killed alone. */
  get isOneProcess(): boolean {
    return (this.#options.proxy as { workers?: number } | undefined)?.workers === 0
  }

  /** The processes that run now, or those of one role; none when the instance has ended: its id may be another's by now. */
  processes(role?: Role): ProcessOf[] {
    const { pid, exitCode, signalCode } = this.cutover.process
    if (pid === undefined || exitCode !== null || signalCode !== null) return []
    return processesOf(pid).filter((each) => role === undefined || each.role === role)
  }

  /** Kills the process that was started; the others end with it. */
  async kill(): Promise<void> {
    await this.#cutover?.stop('SIGKILL')
  }

  /**
   * Kills the control process (SIGKILL), which is started again by itself. False when there is none, or one so young that
   * its supervisor would make the next one wait: what is to be tested is not how long.
   */
  killControl(): boolean {
    if (performance.now() - this.#controlSince < LIVED_MS) return false
    const [control] = this.processes('control')
    if (control === undefined) return false
    process.kill(control.pid, 'SIGKILL')
    this.#controlSince = performance.now()
    return true
  }
}

/** A free port that no connection gets by chance: it lies below those that the system gives out. */
async function lastingPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    )
    server.close()
    if (isFree) return port
  }
}
