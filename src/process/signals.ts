import type { Logger } from 'pino'
import type { Running } from './running.ts'

/** Ctrl-C reaches this process from the terminal, and once more from npm: signals this close together are one. */
const SAME_SIGNAL_MS = 250
/** How long a start that is called off may take to end what it has started, ms. */
const CALL_OFF_MS = 10_000

/**
 * What signals mean; SPEC §2. They are taken from the first moment on: what they ask for while the instance starts is done
 * once it runs, except that SIGTERM and SIGINT call the start off.
 */
export class Signals {
  /** Aborts with the first SIGTERM or SIGINT. */
  readonly stopAsked: AbortSignal
  private readonly stopping = new AbortController()
  private log: Logger | null = null
  private running: Running | null = null
  /** What was asked for before there was anything that runs. */
  private reloadAsked = false
  private replacementAsked = false
  private firstAt = 0

  constructor() {
    this.stopAsked = this.stopping.signal
    process.on('SIGTERM', (signal) => this.stop(signal))
    process.on('SIGINT', (signal) => this.stop(signal))
    process.on('SIGHUP', () => this.reload())
    process.on('SIGUSR2', () => this.replaceWorkers())
    // Without a listener, Node would open its inspector.
    process.on('SIGUSR1', () => this.log?.info('SIGUSR1: no log file is open, there is nothing to reopen'))
  }

  /** From now on there is a log. */
  logTo(log: Logger): void {
    this.log = log
  }

  /** From now on signals are for `running`; what was asked for before is done now. */
  serve(running: Running): void {
    this.running = running
    if (this.stopAsked.aborted) this.end(running)
    else {
      if (this.reloadAsked) running.reload()
      if (this.replacementAsked) running.replaceWorkers()
    }
  }

  private stop(signal: NodeJS.Signals): void {
    const now = performance.now()
    if (!this.stopAsked.aborted) {
      this.firstAt = now
      this.stopping.abort()
      if (this.running === null) this.callOff(signal)
      else {
        this.log?.info({ signal }, 'stopping: requests under way may finish; a second signal ends at once')
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
      this.log?.error(`the start could not be called off within ${CALL_OFF_MS} ms: ending at once`)
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
    if (this.running === null) this.reloadAsked = true
    else this.running.reload()
  }

  private replaceWorkers(): void {
    if (this.stopAsked.aborted) return
    if (this.running === null) this.replacementAsked = true
    else this.running.replaceWorkers()
  }
}
