import { cpus } from 'node:os'

/** Of all cores of the machine, whoever uses them. */
const WANTED_SHARE = 0.7
const LOOK_MS = 500
const SLOWEST = 0.1
const AT_FIRST = 0.3
/** So that the end of the load does not wait for it. */
const LONGEST_PAUSE_MS = 1_000

/** Stretches the pauses between requests so that the machine stays at a share of what it can do. */
export class Pace {
  /** 1 = pauses as they are meant; less = longer ones. */
  private factor = AT_FIRST
  private before = times()
  private readonly timer: NodeJS.Timeout
  /** Of all cores, in the last look. */
  busyShare = 0

  constructor() {
    this.timer = setInterval(() => this.look(), LOOK_MS)
  }

  pause(ms: number): Promise<void> {
    const stretched = Math.min(LONGEST_PAUSE_MS, (ms / this.factor) * (0.5 + Math.random()))
    return new Promise((resolve) => setTimeout(resolve, stretched))
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const now = times()
    this.busyShare = (now.busy - this.before.busy) / Math.max(1, now.all - this.before.all)
    this.before = now
    const change = Math.min(1.2, Math.max(0.7, WANTED_SHARE / Math.max(0.01, this.busyShare)))
    this.factor = Math.min(1, Math.max(SLOWEST, this.factor * change))
  }
}

function times(): { busy: number; all: number } {
  let busy = 0
  let all = 0
  for (const { times } of cpus()) {
    const sum = Object.values(times).reduce((total, each) => total + each, 0)
    all += sum
    busy += sum - times.idle
  }
  return { busy, all }
}
