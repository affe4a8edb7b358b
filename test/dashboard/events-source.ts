import { setTimeout as pause } from 'node:timers/promises'
import { createClient } from '../../src/client/create-client.ts'

/** Makes events at a rate: changes of the weights of `b1` of the services `service-0`, `service-1`, …. */
export class EventsSource {
  made = 0
  private isOver = false
  private readonly ended: Promise<void>

  /** `admin`: address of the API; `services`: their number; `rate`: events a second. */
  constructor(admin: string, services: number, rate: number) {
    this.ended = this.run(admin, services, rate)
    // `stop` rejects with it.
    this.ended.catch(() => undefined)
  }

  async stop(): Promise<void> {
    this.isOver = true
    await this.ended
  }

  private async run(admin: string, services: number, rate: number): Promise<void> {
    const { servers } = createClient({ url: admin })
    const since = performance.now()
    while (!this.isOver) {
      const due = ((performance.now() - since) / 1_000) * rate
      if (this.made >= due) await pause(1_000 / rate)
      else {
        const service = `service-${this.made % services}`
        const weight = 1 + (Math.floor(this.made / services) % 100)
        await servers.patch('b1', { weight }, { service, pool: 'blue' })
        this.made++
      }
    }
  }
}
