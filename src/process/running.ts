import type { Logger } from 'pino'
import type { CheckedConfig } from '../config/check-config.ts'
import type { Config } from '../config/config.ts'

export interface RunOptions {
  readonly config: Config
  /** Reads the configuration again. */
  readonly load: () => Promise<CheckedConfig>
  readonly file: string
  /** Join a fleet even if the file has no service in common with it. */
  readonly joinAnyway: boolean
  readonly log: Logger
  /** Number of worker processes; 0 = serve from this process. */
  readonly workers: number
  /** Aborts to cancel a start that is in progress. */
  readonly stopAsked: AbortSignal
}

/** A running Cutover, in one process or several. */
export interface Running {
  readonly proxyAddresses: readonly string[]
  readonly adminAddress: string
  /** Path of the file of the access log; empty = it is written to no file. */
  readonly logFile: string
  /** Lets requests in flight finish, then ends. Safe to call again. */
  stop(): Promise<unknown>
  /** Reads the configuration again. */
  reload(): void
  /** Replaces the workers one by one, refusing no connection. */
  replaceWorkers(): void
  /** Opens the file of the access log again, in all processes that write to it. */
  reopenLog(): void
}
