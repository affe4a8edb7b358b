/** A process says each second that it is alive. After this long without a word it counts as hung. */
const HUNG_MS = 3_000
/** After this long, a hung process is killed. */
const KILL_MS = 10_000
/** How often to look. */
export const LOOK_MS = 500
/** How long a process may take from its start to its first word. */
export const START_MS = 120_000

interface Watched {
  kill(): void
}

interface Silence {
  /** When it was heard last; monotonic ms. */
  since: number
  isHung: boolean
  isKilled: boolean
}

export interface WatchdogOptions<P extends Watched> {
  /** A process has become hung, or has come back. */
  readonly onChange: (process: P, isHung: boolean) => void
  /** A hung process is about to be killed. */
  readonly onKill: (process: P) => void
  /** Monotonic ms. */
  readonly now?: () => number
}

/** Finds processes that run and do nothing (stopped, or in an endless loop), and kills those that do not come back. */
export class Watchdog<P extends Watched> {
  private readonly options: WatchdogOptions<P>
  private readonly now: () => number
  private readonly silences = new Map<P, Silence>()
  private lookedAt: number

  constructor(options: WatchdogOptions<P>) {
    this.options = options
    this.now = options.now ?? (() => performance.now())
    this.lookedAt = this.now()
  }

  /** Watches a process that has just been started, until it is forgotten. */
  watch(process: P): void {
    this.silences.set(process, { since: this.now() + START_MS, isHung: false, isKilled: false })
  }

  heard(process: P): void {
    const silence = this.silences.get(process)
    if (silence === undefined) return
    silence.since = this.now()
    if (!silence.isHung) return
    silence.isHung = false
    this.options.onChange(process, false)
  }

  forget(process: P): void {
    this.silences.delete(process)
  }

  isHung(process: P): boolean {
    return this.silences.get(process)?.isHung === true
  }

  /** To be called every `LOOK_MS`, when all that has arrived has been heard. */
  look(): void {
    const now = this.now()
    // Where we come late ourselves, the machine is busy or was suspended, and the others may be as late: that time counts
    // for nobody.
    const spanMs = now - this.lookedAt
    const uncountedMs = spanMs > 2 * LOOK_MS ? spanMs : Math.max(0, spanMs - LOOK_MS)
    this.lookedAt = now
    for (const [process, silence] of this.silences) {
      silence.since += uncountedMs
      const silentMs = now - silence.since
      if (silentMs < HUNG_MS) continue
      if (!silence.isHung) {
        silence.isHung = true
        this.options.onChange(process, true)
      }
      if (silentMs < KILL_MS || silence.isKilled) continue
      silence.isKilled = true
      this.options.onKill(process)
      process.kill()
    }
  }
}
