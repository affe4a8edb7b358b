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

/** Waits for `stopped`; rejects if it takes longer than `shutdown` allows, plus `GRACE_MS`. */
async function withinShutdownTime(
  stopped: Promise<void>,
  { acceptForMs, timeoutMs }: Config['shutdown'],
): Promise<void> {
  if (timeoutMs === null) return stopped
  const maxMs = acceptForMs + timeoutMs + GRACE_MS
  let timer: LongTimer | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = new LongTimer(maxMs, () => reject(new Error(`the instance did not end within ${maxMs} ms`)))
  })
  await Promise.race([stopped, late])
  timer?.cancel()
}

/**
 * Runs the whole instance in this process. Throws StartFailed, StartCalledOff, StoreUnusable, and errors of listening.
 */
export async function runAlone({ config, load, file, joinAnyway, log, stopAsked }: RunOptions): Promise<Running> {
  if (stopAsked.aborted) throw new StartCalledOff()
  const proxies = new LocalProxy(config.proxy, log)
  const identity = { id: randomUUID(), name: config.fleet.name ?? hostname(), startedAt: new Date().toISOString() }
  const adminListen = listenOptions(config.admin.listen)
  const instance = await Instance.start({
    config,
    load,
    file,
    log,
    identity,
    proxies,
    adminListen,
    adminAddress: urlBeforeListening(config.admin.listen),
    previewListen: config.admin.preview && listenOptions(config.admin.preview),
    resumed: false,
    joinAnyway,
    patienceMs: 0,
  }).catch((error: unknown) => {
    if (error instanceof UnusableConfiguration) throw new StartFailed(error.message, 2)
    throw error
  })
  const calledOff = new Promise<void>((resolve) => stopAsked.addEventListener('abort', () => resolve()))
  if (!stopAsked.aborted) await Promise.race([instance.firstProbes(FIRST_PROBES_MS), calledOff])
  if (stopAsked.aborted) {
    await instance.stop()
    throw new StartCalledOff()
  }
  return {
    proxyAddresses: proxies.addresses,
    adminAddress: instance.adminAddress,
    stop: () => withinShutdownTime(instance.stop(), config.shutdown),
    reload: () => void instance.reloadOnSignal(),
    replaceWorkers: () => log.warn('there are no workers to replace: proxy.workers is 0'),
  }
}
