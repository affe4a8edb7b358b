import type { Load2 } from '../support/http2-load.ts'
import { Latencies } from '../support/latencies.ts'
import type { Load } from '../support/load.ts'
import type { LoadFigures } from '../support/load-counts.ts'
import { sumOf } from './figures.ts'
import type { Frontend } from './frontend.ts'

export interface FleetLoadOptions {
  readonly frontend: Frontend
  /** One for each instance; the clients are shared out evenly. */
  readonly addresses: readonly string[]
  readonly clients: number
  readonly names: readonly string[]
}

/** What came of the requests of a stretch of time. */
export interface Window {
  readonly completed: number
  readonly failed: number
  readonly p99Ms: number
}

/** Clients at every instance of a fleet. */
export class FleetLoad {
  private readonly loads: readonly (Load | Load2)[]
  private latencies = new Latencies()

  constructor({ frontend, addresses, clients, names }: FleetLoadOptions) {
    this.loads = addresses.map((address, i) => {
      const share = Math.floor(clients / addresses.length) + (i < clients % addresses.length ? 1 : 0)
      return frontend.startLoad({ address, clients: share, names, onAnswer: (ms) => this.latencies.add(ms) })
    })
  }

  /** Resolves when every client of every instance has had its turn, or another in its place. */
  async everyClient(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.more(load.open)))
  }

  /** What came of the requests that ended while `wait` was pending. */
  async during(wait: () => Promise<unknown>): Promise<Window> {
    const latencies = new Latencies()
    this.latencies = latencies
    const before = this.figures()
    await wait()
    const after = this.figures()
    const { completed, failed } = after
    return { completed: completed - before.completed, failed: failed - before.failed, p99Ms: latencies.figures.p99Ms }
  }

  figures(): LoadFigures {
    return sumOf(this.loads.map((load) => load.figures()))
  }

  /** Sends nothing new; resolves when what was under way has been answered. */
  async stop(): Promise<LoadFigures> {
    return sumOf(await Promise.all(this.loads.map((load) => load.stop())))
  }
}
