import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cutover } from '../../support/cutover.ts'
import { RedisServer } from '../../support/redis.ts'
import { Relay } from '../../support/relay.ts'
import { definition, STEADY } from './commands.ts'

/** Longer than what a supervisor takes for having died at once (src/process/slot.ts). */
const LIVED_MS = 6_000

/** An instance, with a way of its own to Redis and a folder that outlives it. */
export class Seat {
  readonly name: string
  readonly relay: Relay
  readonly #workers: number
  readonly #dataPath: string
  #cutover: Cutover | null = null
  #controlSince = 0
  /** All that instances here have printed before the present one. */
  #printed = ''

  constructor(name: string, workers: number, relay: Relay, dataPath: string) {
    this.name = name
    this.#workers = workers
    this.relay = relay
    this.#dataPath = dataPath
  }

  /** The present instance, or the last one. */
  get cutover(): Cutover {
    if (this.#cutover === null) throw new Error(`${this.name} was not started`)
    return this.#cutover
  }

  get printed(): string {
    return `${this.#printed}${this.cutover.stdout}${this.cutover.stderr}`
  }

  /** Starts one on what the last one has left. */
  async start(): Promise<void> {
    if (this.#cutover !== null) this.#printed = `${this.printed}\n--- started again\n`
    this.#cutover = await Cutover.start({
      services: Object.fromEntries(STEADY.map((name) => [name, definition(name, 0)])),
      proxy: { accessLog: 'off', workers: this.#workers },
      store: { redis: `redis://127.0.0.1:${this.relay.port}` },
      fleet: { name: this.name },
      dataPath: this.#dataPath,
    })
    this.#controlSince = performance.now()
  }

  /** Whether there is no control process to be killed alone. */
  get isOneProcess(): boolean {
    return this.#workers === 0
  }

  /** Kills all of it. */
  async kill(): Promise<void> {
    await this.#cutover?.stop('SIGKILL')
  }

  /**
   * Kills the control process (SIGKILL), which is started again by itself. False when it could not be found, or is so
   * young that its supervisor would make the next one wait: what is to be tested is not how long.
   */
  async killControl(): Promise<boolean> {
    if (performance.now() - this.#controlSince < LIVED_MS) return false
    const { body } = await this.cutover.api('GET', '/api/instances')
    const own: { self: boolean; processes: { role: string; pid: number }[] }[] = body.instances
    const processes = own.find(({ self }) => self)?.processes ?? []
    const control = processes.find(({ role }) => role === 'control')
    if (control === undefined) return false
    process.kill(control.pid, 'SIGKILL')
    this.#controlSince = performance.now()
    return true
  }
}

/** Three instances on one Redis that forgets nothing it has answered. */
export class Stage {
  readonly redis: RedisServer
  readonly seats: readonly Seat[]
  readonly #folder: string

  private constructor(redis: RedisServer, seats: readonly Seat[], folder: string) {
    this.redis = redis
    this.seats = seats
    this.#folder = folder
  }

  static async start(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-random-'))
    const redis = await RedisServer.start({ persist: true })
    const seats: Seat[] = []
    const stage = new Stage(redis, seats, folder)
    try {
      // One whose control process can be killed alone, and two that cost less memory.
      for (const [name, workers] of [
        ['one', 1],
        ['two', 0],
        ['three', 0],
      ] as const) {
        const seat = new Seat(name, workers, await Relay.start(redis.port), join(folder, name))
        seats.push(seat)
        await seat.start()
      }
      return stage
    } catch (error) {
      await stage.stop()
      throw error
    }
  }

  async stop(): Promise<void> {
    for (const seat of this.seats) {
      await seat.kill()
      await seat.relay.stop()
    }
    await this.redis.stop()
    await rm(this.#folder, { recursive: true, force: true })
  }
}
