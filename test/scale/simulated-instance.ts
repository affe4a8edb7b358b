import { randomUUID } from 'node:crypto'
import { Fleet } from '../../src/control/fleet/fleet.ts'
import { FleetTicks } from '../../src/control/ticks/fleet-ticks.ts'
import type { InstanceProgress, InstanceRecord } from '../../src/model/fleet.ts'
import type { TickRow } from '../../src/model/messages.ts'
import type { StateName } from '../../src/model/state.ts'
import { RedisStore } from '../../src/store/redis/redis-store.ts'
import { TickHistory } from '../../src/telemetry/ticks/tick-history.ts'

export interface SimulatedOptions {
  readonly redis: string
  /** Folder of its last known state. */
  readonly path: string
  readonly name: string
  /** Counts of one second. */
  readonly rows: readonly TickRow[]
  /** Called when it has learned something of another instance. */
  readonly onChange: (instance: SimulatedInstance) => void
}

/** The fleet's half of an instance: its store, heartbeats, progress and ticks; it has every state in force at once. */
export class SimulatedInstance {
  readonly store: RedisStore
  readonly fleet: Fleet
  readonly history = new TickHistory()
  private readonly options: SimulatedOptions
  private readonly ticks: FleetTicks
  private readonly id = randomUUID()
  private readonly boot = randomUUID()
  private sequence = 0
  private applied: StateName | null = null
  private timer: NodeJS.Timeout | undefined

  constructor(options: SimulatedOptions) {
    this.options = options
    this.store = new RedisStore({
      settings: { topology: { kind: 'single', url: options.redis }, tls: null },
      prefix: 'scale',
      path: options.path,
      tell: () => undefined,
      onConnected: () => this.fleet.join(),
    })
    this.fleet = new Fleet({
      register: this.store.register,
      id: this.id,
      record: () => this.record(),
      progress: () => this.progress(),
      onChange: () => options.onChange(this),
    })
    this.ticks = new FleetTicks(this.store.ticks, this.history)
  }

  async start(): Promise<void> {
    const { revision, head } = await this.store.open()
    this.applied = { revision, head }
    this.store.subscribe((documents) => {
      this.applied = { revision: documents.revision, head: documents.head }
      this.fleet.report()
    })
    await this.fleet.join()
    this.tickOn()
  }

  /** Number of the other instances that are known to have a revision in force. */
  countApplied(revision: number): number {
    let count = 0
    for (const { record } of this.fleet.others()) if ((record.applied?.revision ?? -1) >= revision) count++
    return count
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer)
    this.fleet.stop()
    await this.ticks.close()
    await this.store.close()
  }

  private tickOn(): void {
    const delayMs = 1_000 - (this.store.nowMs() % 1_000)
    this.timer = setTimeout(() => {
      this.ticks.add(Math.round(this.store.nowMs() / 1_000) - 1, this.options.rows)
      this.tickOn()
    }, delayMs)
  }

  private progress(): InstanceProgress {
    return { boot: this.boot, sequence: ++this.sequence, applied: this.applied, busy: {}, cut: {} }
  }

  /** As large as that of an instance with four workers and a request at each of ten servers. */
  private record(): InstanceRecord {
    const { name } = this.options
    const inFlight = Array.from({ length: 10 }, (_, i) => [
      `shop/blue/blue${i}=http://10.0.0.${i}:9000`,
      this.sequence % 7,
    ])
    const processes = ['supervisor', 'control', 'worker', 'worker', 'worker', 'worker'].map((role, i) => ({
      role: role as 'worker',
      pid: 1_000 + i,
      appliedRevision: this.applied?.revision ?? -1,
      inFlight: i,
      connections: 100,
      cpuPercent: (this.sequence * 7) % 100,
      memoryBytes: 80_000_000 + this.sequence,
      eventLoopDelayMs: 1,
    }))
    return {
      ...this.progress(),
      id: this.id,
      name,
      host: name,
      address: `http://${name}:9900`,
      version: '0.1.0',
      startedAt: new Date(0).toISOString(),
      configuration: { hash: 'f'.repeat(64), version: 1 },
      overrides: [],
      inFlight: Object.fromEntries(inFlight),
      processes,
      keepsProgress: true,
    }
  }
}
