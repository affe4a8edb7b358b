/**
 * Entry point of the control process: it decides, checks health and answers the admin API. No request passes through
 * it.
 */
import { flushCompileCache } from 'node:module'
import { loadConfig } from '../config/load.ts'
import { UnusableConfiguration } from '../control/configuration-file.ts'
import { Instance } from '../instance.ts'
import type { Vitals } from '../model/messages.ts'
import { openLog } from '../telemetry/log.ts'
import type { ControlInit, FromChild, Roster, ToChild } from './ipc.ts'
import { RemoteProxies } from './remote-proxies.ts'
import { readCopy, readKept, StateSender } from './state-copy.ts'

/** Time to wait for the store's lock: the children of a supervisor that was killed end shortly after it. */
const PATIENCE_MS = 2_000
/** Max time that `ready` waits for the first health checks. */
const FIRST_PROBES_MS = 5_000
const ALIVE_MS = 1_000

const log = openLog({ role: 'control' })
process.on('disconnect', () => process.exit(1))
process.on('uncaughtException', (error) => log.error({ err: error }, 'unexpected error; the process continues'))
process.once('message', (message: ToChild) => {
  if (message.type === 'control') void run(message)
})

async function run(init: ControlInit): Promise<void> {
  const { config, file, identity, adminAddress } = init
  const proxies = new RemoteProxies(init, log, () => send({ type: 'replaceWorkers' }))
  const known = init.state === null ? null : readCopy(init.state)
  const state = new StateSender(send, init.state, known?.documents.head ?? null)
  const starting = Instance.start({
    config,
    file,
    log,
    identity,
    proxies,
    load: () => loadConfig(file, process.env),
    adminListen: { fd: init.adminFd },
    adminAddress,
    previewListen: init.previewFd === null ? null : { fd: init.previewFd },
    resumed: init.resumed,
    joinAnyway: init.joinAnyway,
    known,
    kept: init.state === null ? null : readKept(init.state),
    onState: (store, change) => state.update(store, change),
    onKept: (kept) => state.keep(kept),
    knownTls: init.tls,
    onTls: (listeners) => send({ type: 'tls', listeners }),
    patienceMs: PATIENCE_MS,
    onConfigured: (configured) => send({ type: 'configured', config: configured }),
  })
  process.on('message', (message: ToChild) => handleMessage(starting, proxies, message))
  try {
    const instance = await starting
    await instance.firstProbes(FIRST_PROBES_MS)
  } catch (error) {
    const unusable = error instanceof UnusableConfiguration
    const message = error instanceof Error ? error.message : String(error)
    send({ type: 'failed', message, exitCode: unusable ? 2 : 1 })
    process.exit(1)
  }
  send({ type: 'ready' })
  setInterval(() => send({ type: 'alive' }), ALIVE_MS).unref()
  flushCompileCache()
}

/** Handles a message of the supervisor. `stop` and `reload` take effect once the instance has started. */
function handleMessage(starting: Promise<Instance>, proxies: RemoteProxies, message: ToChild): void {
  switch (message.type) {
    case 'stop':
      stop(starting)
      break
    case 'reload':
      void reload(starting, message.id)
      break
    case 'roster':
      proxies.follow(message.roster satisfies Roster)
      break
    case 'vitals':
      proxies.supervisor = message.vitals satisfies Vitals
      break
    case 'replaced':
      proxies.replaced(message.trouble)
      break
  }
}

function stop(starting: Promise<Instance>): void {
  starting
    .then((instance) => instance.stop())
    .then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'stopping failed')
        process.exit(1)
      },
    )
}

async function reload(starting: Promise<Instance>, id: number): Promise<void> {
  const instance = await starting
  await instance.reloadOnSignal()
  send({ type: 'reloaded', id })
}

function send(message: FromChild): void {
  process.send?.(message)
}
