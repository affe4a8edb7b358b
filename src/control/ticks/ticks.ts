import type { TickExchange } from '../../store/ticks.ts'
import { TickHistory } from '../../telemetry/ticks/tick-history.ts'
import type { ProxyLinks } from '../proxy-links.ts'
import { FleetTicks } from './fleet-ticks.ts'
import { TickClock } from './tick-clock.ts'

/** The counts of every second of the last two hours: of this instance, and of the whole fleet. */
export class Ticks {
  readonly own = new TickHistory()
  /** That of this instance, if it is alone. */
  readonly fleet: TickHistory
  private readonly exchange: FleetTicks | null
  private readonly clock: TickClock

  /** `exchange`: null = there are no other instances. `nowMs`: the store's clock. */
  constructor(proxies: ProxyLinks, exchange: TickExchange | null, nowMs: () => number) {
    this.fleet = exchange === null ? this.own : new TickHistory()
    this.exchange = exchange === null ? null : new FleetTicks(exchange, this.fleet)
    this.clock = new TickClock({
      nowMs,
      collect: () => proxies.collect(),
      takeRows: () => proxies.takeRows(),
      onTick: (second, rows) => {
        this.own.add(second, rows)
        this.own.completeUntil(second + 1)
        this.exchange?.add(second, rows)
      },
    })
  }

  start(): void {
    this.clock.start()
  }

  /** Ends without gathering anything more. */
  cancel(): void {
    this.clock.cancel()
  }

  /** Gathers the last counts, and sends them to the other instances. */
  async stop(): Promise<void> {
    await this.clock.stop()
    await this.exchange?.close()
  }
}
