import type { TickRow } from '../../model/messages.ts'
import { mergeRows } from '../../telemetry/ticks/merge-rows.ts'

const SECOND_MS = 1_000
/** Max time by which a timer fires early, as the store's clock is corrected. */
const EARLY_MS = 50
/** Max time to wait for the reports of a second; what comes later counts for the next one. */
const PATIENCE_MS = 300

export interface TickClockOptions {
  /** Milliseconds since the epoch by the store's clock. */
  readonly nowMs: () => number
  /** Asks all proxies for reports; resolves when they are there. */
  readonly collect: () => Promise<unknown>
  /** Returns the counts reported since the last call. */
  readonly takeRows: () => readonly TickRow[]
  /** Called once for each second, with its counts. */
  readonly onTick: (second: number, rows: readonly TickRow[]) => void
}

/** Gathers the counts of all proxies of this instance at the end of every second of the store's clock. */
export class TickClock {
  private readonly options: TickClockOptions
  private timer: NodeJS.Timeout | undefined
  private isStopped = false

  constructor(options: TickClockOptions) {
    this.options = options
  }

  start(): void {
    if (this.isStopped) return
    const { nowMs } = this.options
    this.timer = setTimeout(() => void this.tick(), SECOND_MS - (nowMs() % SECOND_MS)).unref()
  }

  cancel(): void {
    this.isStopped = true
    clearTimeout(this.timer)
  }

  /** Gathers what has been counted until now, for the end of the process. */
  async stop(): Promise<void> {
    if (this.isStopped) return
    this.cancel()
    await this.gather(Math.floor(this.options.nowMs() / SECOND_MS))
  }

  private async tick(): Promise<void> {
    const second = Math.floor((this.options.nowMs() + EARLY_MS) / SECOND_MS) - 1
    await this.gather(second)
    this.start()
  }

  private async gather(second: number): Promise<void> {
    const { collect, takeRows, onTick } = this.options
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS)
    })
    await Promise.race([collect(), patience])
    clearTimeout(timer)
    onTick(second, mergeRows(takeRows()))
  }
}
