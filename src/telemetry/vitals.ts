import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Vitals } from '../model/messages.ts'

const RESOLUTION_MS = 20
const NS_PER_MS = 1e6
/** Looked at more often than this, the figures would say nothing. */
const LEAST_SPAN_MS = 200

/** What this process costs. */
export class VitalsMeter {
  private readonly delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  private cpu = process.cpuUsage()
  private at = performance.now()
  private last: Vitals = {
    pid: process.pid,
    cpuPercent: 0,
    memoryBytes: process.memoryUsage.rss(),
    eventLoopDelayMs: 0,
  }

  constructor() {
    this.delays.enable()
  }

  /** The figures since the last look; looks that follow closely on one another see the same. */
  read(): Vitals {
    const now = performance.now()
    const spanMs = now - this.at
    if (spanMs < LEAST_SPAN_MS) return this.last
    const { user, system } = process.cpuUsage(this.cpu)
    const lateMs = Math.max(0, this.delays.percentile(99) / NS_PER_MS - RESOLUTION_MS)
    this.cpu = process.cpuUsage()
    this.at = now
    this.delays.reset()
    this.last = {
      pid: process.pid,
      cpuPercent: rounded((user + system) / 10 / spanMs),
      memoryBytes: process.memoryUsage.rss(),
      eventLoopDelayMs: rounded(Number.isFinite(lateMs) ? lateMs : 0),
    }
    return this.last
  }
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10
}
