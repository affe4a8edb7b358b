import type { Logger } from 'pino'
import type { CheckedConfig } from '../config/check-config.ts'
import type { Config } from '../config/config.ts'

export interface RunOptions {
  readonly config: Config
  /** Reads the configuration again. */
  readonly load: () => Promise<CheckedConfig>
  readonly file: string
  /** Join a fleet with a file that has no service in common with it. */
  readonly joinAnyway: boolean
  readonly log: Logger
  readonly workers: number
  /** Aborts when the start is to be called off. */
  readonly stopAsked: AbortSignal
}

/** A Cutover that runs, in one process or several. */
export interface Running {
  readonly proxyAddresses: readonly string[]
  readonly adminAddress: string
  /** Lets what is under way finish, then ends. Safe to call again. */
  stop(): Promise<unknown>
  reload(): void
  replaceWorkers(): void
}
