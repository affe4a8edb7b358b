import type { Logger } from 'pino'
import type { Running } from './running.ts'

/** Signals this close together count as one: Ctrl-C reaches this process from the terminal, and once more from npm. */
const SAME_SIGNAL_MS = 250
/** Max time that a cancelled start may take to end what it has started. */
const CALL_OFF_MS = 10_000

/**
 * Handles signals as in SPEC §2, from the first moment of the process on. SIGHUP, SIGUSR1 and SIGUSR2 during the start
 * take effect once the instance runs; SIGTERM and SIGINT cancel the start.
 */
export class Signals {
  /** Aborts with the first SIGTERM or SIGINT. */
  readonly stopAsked: AbortSignal
  private readonly stopping = new AbortController()
  private log: Logger | null = null
  private running: Running | null = null
  /** Requests that came during the start. */
  private reloadRequested = false
  private replacementRequested = false
  private reopeningRequested = false
  /** When the first SIGTERM or SIGINT came; monotonic ms. */
  private firstAt = 0

  constructor() {
    this.stopAsked = this.stopping.signal
    process.on('SIGTERM', (signal) => this.stop(signal))
    process.on('SIGINT', (signal) => this.stop(signal))
    process.on('SIGHUP', () => this.reload())
    process.on('SIGUSR2', () => this.replaceWorkers())
    // Without a listener, Node would open its inspector.
    process.on('SIGUSR1', () => this.reopenLog())
  }

  /** Sets the log; signals before this are handled without a line about it. */
  logTo(log: Logger): void {
    this.log = log
  }

  /** Directs signals to `running`, beginning with the ones that came during the start. */
  serve(running: Running): void {
    this.running = running
    if (this.stopAsked.aborted) this.end(running)
    else {
      if (this.reloadRequested) running.reload()
      if (this.replacementRequested) running.replaceWorkers()
      if (this.reopeningRequested) this.reopenLog()
    }
  }

  private stop(signal: NodeJS.Signals): void {
    const now = performance.now()
    if (!this.stopAsked.aborted) {
      this.firstAt = now
      this.stopping.abort()
      if (this.running === null) this.callOff(signal)
      else {
        this.log?.info({ signal }, 'stopping: requests in flight may finish; a second signal ends at once')
        this.end(this.running)
      }
    } else if (now - this.firstAt >= SAME_SIGNAL_MS) {
      this.log?.warn({ signal }, 'second signal: ending at once')
      process.exit(1)
    }
  }

  private callOff(signal: NodeJS.Signals): void {
    this.log?.info({ signal }, 'stopping before the start is complete; a second signal ends at once')
    setTimeout(() => {
      if (this.running !== null) return
      this.log?.error(`the start could not be cancelled within ${CALL_OFF_MS} ms: ending at once`)
      process.exit(1)
    }, CALL_OFF_MS).unref()
  }

  private end(running: Running): void {
    running.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        this.log?.error({ err: error }, 'stopping failed')
        process.exit(1)
      },
    )
  }

  private reload(): void {
    if (this.stopAsked.aborted) return
    if (this.running === null) this.reloadRequested = true
    else this.running.reload()
  }

  private replaceWorkers(): void {
    if (this.stopAsked.aborted) return
    if (this.running === null) this.replacementRequested = true
    else this.running.replaceWorkers()
  }

  /** Also while stopping: requests in progress are still logged. */
  private reopenLog(): void {
    if (this.running === null) this.reopeningRequested = true
    else if (this.running.logFile === '') this.log?.info('SIGUSR1 ignored: the access log is not written to a file')
    else {
      this.log?.info({ file: this.running.logFile }, 'opening the access log again')
      this.running.reopenLog()
    }
  }
}
