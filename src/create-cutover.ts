import type { Logger } from 'pino'
import { type Client, createClient } from './client/create-client.ts'
import type { CutoverConfig } from './client/definitions.ts'
import type { CheckedConfig } from './config/check-config.ts'
import type { Problem } from './config/config.ts'
import { checkObject, loadConfig } from './config/load.ts'
import { formatProblem } from './config/problems.ts'
import { UnusableConfiguration } from './control/configuration-file.ts'
import { Alone } from './process/run-alone.ts'
import { openLog } from './telemetry/log.ts'

export interface CutoverOptions {
  /** Path of a configuration file (YAML or JSON), or an object in its shape. Both may refer to the environment. */
  readonly config: string | CutoverConfig
  /** Takes the log; by default it goes to standard error, one JSON line an entry. */
  readonly log?: Logger
  /** Join a fleet even if it has no service in common with the configuration. */
  readonly joinAnyway?: boolean
}

/**
 * A running Cutover: the operations of its admin API, which need no token here. The history names `library` as their
 * author.
 */
export interface Cutover extends Omit<Client, 'ready' | 'live'> {
  /** Address of the first listener of the proxy, such as `http://127.0.0.1:8080`. */
  readonly proxy: string
  /** Addresses of all its listeners. */
  readonly proxyAddresses: readonly string[]
  /** Address of the admin API. */
  readonly admin: string
  /** Resolves once the first health checks are over, or after five seconds. Rejects if it is closed before. */
  readonly ready: Promise<void>
  /** Opens the file of the access log again, after it was renamed: what SIGUSR1 does to `cutover run`. */
  reopenLog(): void
  /**
   * Stops as on SIGTERM: requests in flight finish within `shutdown.timeout`, then everything ends. Safe to call again.
   */
  close(): Promise<void>
}

/** The configuration cannot be used; nothing was started. */
export class ConfigurationError extends Error {
  override name = 'ConfigurationError'
  /** All of them, with their paths in the configuration. */
  readonly problems: readonly Problem[]

  constructor(what: string, problems: readonly Problem[]) {
    super([`${what} cannot be used:`, ...problems.map(formatProblem)].join('\n'))
    this.problems = problems
  }
}

/**
 * Starts a Cutover in this process. It serves from this process as well: `proxy.workers` may be `auto` or 0. Resolves once
 * it accepts connections. Rejects with ConfigurationError, and with errors of the store and of listening; nothing is left
 * running then.
 */
export async function createCutover({ config, log, joinAnyway = false }: CutoverOptions): Promise<Cutover> {
  const file = typeof config === 'string' ? config : 'the configuration'
  const load = async (): Promise<CheckedConfig> =>
    withoutWorkers(
      typeof config === 'string' ? await loadConfig(config, process.env) : checkObject(config, process.env),
    )
  const loaded = await load()
  if (!loaded.ok) throw new ConfigurationError(file, loaded.problems)
  const alone = await Alone.start({ config: loaded.config, load, file, joinAnyway, log: log ?? sharedLog() }).catch(
    (error: unknown) => {
      if (error instanceof UnusableConfiguration) throw new ConfigurationError(file, error.problems)
      throw error
    },
  )
  return running(alone)
}

function running(alone: Alone): Cutover {
  let closing: Promise<void> | null = null
  const ready = alone.firstProbes().then(() => {
    if (closing !== null) throw new Error('this Cutover was closed before it was ready')
  })
  // Whoever does not await it does not want to hear of it.
  ready.catch(() => undefined)
  const { ready: _, live: __, ...api } = createClient({ url: 'http://localhost', fetch: alone.ask })
  return {
    ...api,
    proxy: alone.proxyAddresses[0] ?? '',
    proxyAddresses: alone.proxyAddresses,
    admin: alone.adminAddress,
    ready,
    reopenLog: () => alone.reopenLog(),
    close: () => {
      closing ??= alone.stop()
      return closing
    },
  }
}

/** Refuses a number of workers: they are processes of their own, which a supervisor starts and replaces. */
function withoutWorkers(checked: CheckedConfig): CheckedConfig {
  if (!checked.ok || checked.config.proxy.workers === 'auto' || checked.config.proxy.workers === 0) return checked
  const message = 'as a library, Cutover serves from this process: leave it out, or run `cutover run` for workers'
  return { ok: false, problems: [{ path: 'proxy.workers', message }] }
}

let opened: Logger | null = null

/** The log of all that get none of their own: standard error has one writer. */
function sharedLog(): Logger {
  opened ??= openLog({})
  return opened
}
