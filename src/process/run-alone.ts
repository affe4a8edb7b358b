import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Config } from '../config/config.ts'
import { UnusableConfiguration } from '../control/configuration-file.ts'
import { Instance } from '../instance.ts'
import { listenOptions, urlBeforeListening } from '../net/listen-options.ts'
import { LongTimer } from '../time/long-timer.ts'
import { GRACE_MS } from './child.ts'
import { LocalProxy } from './local-proxy.ts'
import type { Running, RunOptions } from './running.ts'
import { StartCalledOff, StartFailed } from './start-failed.ts'

/** Max time that `ready` waits for the first health checks. */
const FIRST_PROBES_MS = 5_000

export type AloneOptions = Pick<RunOptions, 'config' | 'load' | 'file' | 'joinAnyway' | 'log'>

/** An instance that runs wholly in this process. */
export class Alone {
  readonly proxyAddresses: readonly string[]
  private readonly instance: Instance
  private readonly proxies: LocalProxy
  private readonly shutdown: Config['shutdown']

  private constructor(instance: Instance, proxies: LocalProxy, shutdown: Config['shutdown']) {
    this.instance = instance
    this.proxies = proxies
    this.proxyAddresses = proxies.addresses
    this.shutdown = shutdown
  }

  /**
   * Starts it; it accepts connections then, but knows nothing of the servers' health. Throws UnusableConfiguration,
   * StoreUnusable, and errors of listening.
   */
  static async start({ config, load, file, joinAnyway, log }: AloneOptions): Promise<Alone> {
    const proxies = new LocalProxy(config.proxy, log, config.telemetry.tracing)
    const identity = { id: randomUUID(), name: config.fleet.name ?? hostname(), startedAt: new Date().toISOString() }
    const instance = await Instance.start({
      config,
      load,
      file,
      log,
      identity,
      proxies,
      adminListen: listenOptions(config.admin.listen),
      adminAddress: urlBeforeListening(config.admin.listen),
      previewListen: config.admin.preview && listenOptions(config.admin.preview),
      resumed: false,
      joinAnyway,
      patienceMs: 0,
    })
    return new Alone(instance, proxies, config.shutdown)
  }

  get adminAddress(): string {
    return this.instance.adminAddress
  }

  /** Answers a request to the admin API that comes from this process itself. */
  get ask(): typeof fetch {
    return this.instance.ask
  }

  /** Resolves once the first health checks are over, after a while without them, or with `stop`. */
  firstProbes(): Promise<void> {
    return this.instance.firstProbes(FIRST_PROBES_MS)
  }

  reload(): void {
    void this.instance.reloadOnSignal()
  }

  /** Opens the file of the access log again. */
  reopenLog(): void {
    this.proxies.reopenLog()
  }

  /**
   * Lets requests in flight finish, then ends. Rejects if that takes longer than `shutdown` allows, plus `GRACE_MS`. Safe
   * to call again.
   */
  async stop(): Promise<void> {
    const stopped = this.instance.stop()
    const { acceptForMs, timeoutMs } = this.shutdown
    if (timeoutMs === null) return stopped
    const maxMs = acceptForMs + timeoutMs + GRACE_MS
    let timer: LongTimer | undefined
    const late = new Promise<never>((_resolve, reject) => {
      timer = new LongTimer(maxMs, () => reject(new Error(`the instance did not end within ${maxMs} ms`)))
    })
    try {
      await Promise.race([stopped, late])
    } finally {
      timer?.cancel()
    }
  }
}

/**
 * Runs the whole instance in this process. Throws StartFailed, StartCalledOff, StoreUnusable, and errors of listening.
 */
export async function runAlone(options: RunOptions): Promise<Running> {
  const { log, stopAsked } = options
  if (stopAsked.aborted) throw new StartCalledOff()
  const alone = await Alone.start(options).catch((error: unknown) => {
    if (error instanceof UnusableConfiguration) throw new StartFailed(error.message, 2)
    throw error
  })
  const calledOff = new Promise<void>((resolve) => stopAsked.addEventListener('abort', () => resolve()))
  if (!stopAsked.aborted) await Promise.race([alone.firstProbes(), calledOff])
  if (stopAsked.aborted) {
    await alone.stop()
    throw new StartCalledOff()
  }
  return {
    proxyAddresses: alone.proxyAddresses,
    adminAddress: alone.adminAddress,
    logFile: options.config.proxy.accessLog?.file ?? '',
    stop: () => alone.stop(),
    reload: () => alone.reload(),
    replaceWorkers: () => log.warn('there are no workers to replace: proxy.workers is 0'),
    reopenLog: () => alone.reopenLog(),
  }
}
