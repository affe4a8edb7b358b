import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ledger } from '../support/ledger.ts'
import { RedisServer } from '../support/redis.ts'
import { Relay } from '../support/relay.ts'
import { Seat } from '../support/seat.ts'
import { AppsProcess } from './apps-process.ts'
import { Casualties } from './casualties.ts'
import { services } from './services.ts'

const NAMES = ['one', 'two', 'three'] as const
const WORKERS = 2
const CLOCK = new URL('../support/skewed-clock.ts', import.meta.url).href

/** A fleet on a Redis that syncs every write, its servers, and the record of what is done to it. */
export class Stage {
  readonly ledger = new Ledger()
  readonly casualties = new Casualties()
  readonly redis: RedisServer
  readonly apps: AppsProcess
  readonly seats: readonly Seat[]
  /** Instances that were killed and are not back. */
  readonly down = new Set<Seat>()
  /** Faults other than killed processes, under way now and begun so far: an instance may not be able to start during one. */
  inTrouble = 0
  troubles = 0
  readonly #folder: string

  private constructor(redis: RedisServer, apps: AppsProcess, seats: readonly Seat[], folder: string) {
    this.redis = redis
    this.apps = apps
    this.seats = seats
    this.#folder = folder
  }

  static async start(): Promise<Stage> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-chaos-'))
    const [redis, apps] = await Promise.all([RedisServer.start({ persist: true }), AppsProcess.start()])
    const seats: Seat[] = []
    const stage = new Stage(redis, apps, seats, folder)
    try {
      for (const name of NAMES) {
        const env = {
          NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import=${CLOCK}`,
          SKEWED_CLOCK: clockFile(folder, name),
        }
        seats.push(
          new Seat(name, await Relay.start(redis.port), {
            services: services(apps.ports),
            proxy: { accessLog: 'off', workers: WORKERS },
            dataPath: join(folder, name),
            env,
          }),
        )
      }
      // The first one brings the services; the others find them.
      const [first, ...others] = seats
      await first?.start()
      await Promise.all(others.map((seat) => seat.start()))
      return stage
    } catch (error) {
      await stage.stop()
      throw error
    }
  }

  /** Sets the clock of an instance off by so many milliseconds. */
  async skew({ name }: Seat, ms: number): Promise<void> {
    await writeFile(clockFile(this.#folder, name), String(ms))
  }

  async stop(): Promise<void> {
    for (const seat of this.seats) {
      for (const { pid } of seat.hasStarted ? seat.processes() : []) process.kill(pid, 'SIGKILL')
      await seat.kill()
      await seat.relay.stop()
    }
    await Promise.all([this.redis.stop(), this.apps.stop()])
    await rm(this.#folder, { recursive: true, force: true })
  }
}

function clockFile(folder: string, name: string): string {
  return join(folder, `${name}.clock`)
}
