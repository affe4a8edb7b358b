import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Vitals } from '../model/messages.ts'

const RESOLUTION_MS = 20
const NS_PER_MS = 1e6
/** Min time between two measurements: figures over a shorter time would be meaningless. */
const MIN_SPAN_MS = 200

/** Measures CPU, memory and event loop delay of this process. */
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

  /** Figures since the previous call; a call within `MIN_SPAN_MS` gets the same figures again. */
  read(): Vitals {
    const now = performance.now()
    const spanMs = now - this.at
    if (spanMs < MIN_SPAN_MS) return this.last
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
