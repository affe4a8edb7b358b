/** Silence after which a process counts as hung. Each process sends a sign of life every second. */
const HUNG_MS = 3_000
/** Silence after which a hung process is killed. */
const KILL_MS = 10_000
/** Interval at which `check` must be called. */
export const CHECK_INTERVAL_MS = 500
/** Extra time for the first message of a process after its start. */
export const START_MS = 120_000

interface Watched {
  kill(): void
}

interface Silence {
  /** When the silence began, i.e. the last message came; monotonic ms. */
  since: number
  isHung: boolean
  isKilled: boolean
}

export interface WatchdogOptions<P extends Watched> {
  /** Called when a process has become hung or responds again. */
  readonly onChange: (process: P, isHung: boolean) => void
  /** Called just before a hung process is killed. */
  readonly onKill: (process: P) => void
  /** Clock, monotonic ms. */
  readonly now?: () => number
}

/** Detects processes that hang (stopped, or in an endless loop), and kills those that do not recover. */
export class Watchdog<P extends Watched> {
  private readonly options: WatchdogOptions<P>
  private readonly now: () => number
  private readonly silences = new Map<P, Silence>()
  private checkedAt: number

  constructor(options: WatchdogOptions<P>) {
    this.options = options
    this.now = options.now ?? (() => performance.now())
    this.checkedAt = this.now()
  }

  /** Watches a process that has just been started, until `forget`. */
  watch(process: P): void {
    this.silences.set(process, { since: this.now() + START_MS, isHung: false, isKilled: false })
  }

  /** Records a sign of life. */
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

  /** Judges all processes. Call it every `CHECK_INTERVAL_MS`, after passing all received messages to `heard`. */
  check(): void {
    const now = this.now()
    // A late call means that the machine is busy or was suspended; the watched processes may be as late, so this time
    // is not counted as silence.
    const spanMs = now - this.checkedAt
    const uncountedMs = spanMs > 2 * CHECK_INTERVAL_MS ? spanMs : Math.max(0, spanMs - CHECK_INTERVAL_MS)
    this.checkedAt = now
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
