import type { Running, RunOptions } from './running.ts'
import { Supervisor } from './supervisor.ts'

/**
 * Runs a supervisor, a control process and workers. Throws StartFailed, StartCalledOff, and errors of binding the
 * sockets.
 */
export async function runSupervised(options: RunOptions): Promise<Running> {
  const supervisor = await Supervisor.start(options)
  const { proxyAddresses, adminAddress } = supervisor
  return {
    proxyAddresses,
    adminAddress,
    logFile: options.config.proxy.accessLog?.file ?? '',
    stop: () => supervisor.stop(),
    reload: () => supervisor.reload(),
    replaceWorkers: () => void supervisor.replaceWorkers(),
    reopenLog: () => supervisor.reopenLog(),
  }
}
