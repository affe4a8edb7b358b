import type { Logger } from 'pino'
import type { Running } from './running.ts'

/** Ctrl-C reaches this process from the terminal, and once more from npm: signals this close together are one. */
const SAME_SIGNAL_MS = 250

/** What signals mean; SPEC §2. */
export function handleSignals(running: Running, log: Logger): void {
  let firstAt: number | null = null
  const stop = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    if (firstAt !== null && now - firstAt < SAME_SIGNAL_MS) return
    if (firstAt !== null) {
      log.warn({ signal }, 'second signal: ending at once')
      process.exit(1)
    }
    firstAt = now
    log.info({ signal }, 'stopping: requests under way may finish; a second signal ends at once')
    running.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  process.on('SIGHUP', () => running.reload())
  process.on('SIGUSR2', () => running.replaceWorkers())
}
