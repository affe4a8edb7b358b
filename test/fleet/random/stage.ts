import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RedisServer } from '../../support/redis.ts'
import { Relay } from '../../support/relay.ts'
import { Seat } from '../../support/seat.ts'
import { definition, STEADY } from './commands.ts'

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
        const seat = new Seat(name, await Relay.start(redis.port), {
          services: Object.fromEntries(STEADY.map((each) => [each, definition(each, 0)])),
          proxy: { accessLog: 'off', workers },
          dataPath: join(folder, name),
        })
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
