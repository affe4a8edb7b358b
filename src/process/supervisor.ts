import { randomUUID } from 'node:crypto'
import { getCompileCacheDir } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { Identity } from '../control/proxies.ts'
import type { ListenerTls } from '../model/listener-tls.ts'
import { type Handle, type HeldSocket, hold } from '../net/held-socket.ts'
import type { ListenAddress } from '../net/listen-address.ts'
import { forKey, listenerName, proxyListenKey, secureUrl } from '../net/listen-options.ts'
import { VitalsMeter } from '../telemetry/vitals.ts'
import { type Child, FIRST_HANDED_FD, GRACE_MS, waitForExit } from './child.ts'
import { Control } from './control.ts'
import type { FromChild } from './ipc.ts'
import { PrivateFolder } from './private-folder.ts'
import { StartCalledOff, StartFailed } from './start-failed.ts'
import { KeptState } from './state-copy.ts'
import { CHECK_INTERVAL_MS, Watchdog } from './watchdog.ts'
import { Workers } from './workers.ts'

export interface SupervisorOptions {
  readonly config: Config
  readonly file: string
  readonly joinAnyway: boolean
  readonly workers: number
  readonly log: Logger
  /** Aborts to cancel the start. */
  readonly stopAsked: AbortSignal
}

const VITALS_MS = 1_000

/**
 * Holds the sockets, starts control and workers, and restarts them when they die. It makes no decisions and handles no
 * requests, so little can make it crash.
 */
export class Supervisor {
  readonly proxyAddresses: readonly string[]
  readonly adminAddress: string
  private readonly log: Logger
  private readonly file: string
  private readonly sockets: readonly HeldSocket[]
  /** The admin API's socket, then the one for previews if configured. */
  private readonly admin: readonly HeldSocket[]
  private readonly folder: PrivateFolder
  private readonly identity: Identity
  private readonly control: Control
  private readonly workers: Workers
  private readonly watchdog: Watchdog<Child>
  private readonly meter = new VitalsMeter()
  private readonly state = new KeptState()
  /** TLS that the control process has sent to the workers; the next one begins with it. */
  private tls: readonly ListenerTls[] = []
  /** The configuration that was last read and applied. */
  private config: Config
  /** A control process has been ready: the next one resumes from the store instead of applying the file again. */
  private isControlReady = false
  private hasStarted = false
  private stopping: Promise<void> | null = null
  private settleStart: { readonly done: () => void; readonly failed: (error: Error) => void } | null = null

  private constructor(
    { config, file, joinAnyway, workers, log }: SupervisorOptions,
    folder: PrivateFolder,
    sockets: readonly HeldSocket[],
    admin: readonly [HeldSocket, ...HeldSocket[]],
  ) {
    this.config = config
    const name = config.fleet.name ?? hostname()
    this.identity = { id: randomUUID(), name, startedAt: new Date().toISOString() }
    this.file = file
    this.log = log
    this.folder = folder
    this.sockets = sockets
    this.admin = admin
    this.proxyAddresses = sockets.map(({ url }, i) => secureUrl(url, config.proxy.listen[i]?.tls !== undefined))
    this.adminAddress = admin[0].url
    const wire = join(folder.path, 'control.sock')
    const cache = compileCache() ?? folder.path
    this.watchdog = new Watchdog<Child>({
      onChange: ({ name, pid }, isHung) => {
        if (isHung) log.error({ process: name, pid }, 'a process does not respond; new connections go to other workers')
        else log.info({ process: name, pid }, 'a process responds again')
        this.workers.handleHungChange()
      },
      onKill: ({ name, pid }) => log.error({ process: name, pid }, 'a process still does not respond and is replaced'),
    })
    this.workers = new Workers({
      count: workers,
      config,
      sockets,
      wire,
      cache,
      log,
      watchdog: this.watchdog,
      onChange: (roster) => {
        this.control.send({ type: 'roster', roster })
        this.checkStarted()
      },
      onTrouble: (message) => this.handleTrouble(message, 1),
    })
    this.control = new Control({
      fds: admin.map(({ handles }) => (handles[0] as Handle).fd),
      cache,
      log,
      watchdog: this.watchdog,
      init: () => ({
        type: 'control',
        config: this.config,
        file: this.file,
        resumed: this.isControlReady,
        joinAnyway,
        state: this.state.copy,
        identity: this.identity,
        listeners: sockets.map(({ url }) => listenerName(url)),
        tls: this.tls,
        adminAddress: this.adminAddress,
        adminFd: FIRST_HANDED_FD,
        previewFd: admin.length > 1 ? FIRST_HANDED_FD + 1 : null,
        wire,
        roster: this.workers.roster(),
      }),
      onMessage: (message) => this.handleMessage(message),
      onTrouble: (message) => this.handleTrouble(message, 1),
    })
  }

  /**
   * Starts everything; resolves when it is ready. Rejects with StartFailed, StartCalledOff, or errors of binding the
   * sockets; nothing is left running then.
   */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { config, workers, stopAsked } = options
    const held: HeldSocket[] = []
    const folder = await PrivateFolder.create()
    try {
      const open = async (key: string, address: ListenAddress, slots: number): Promise<HeldSocket> => {
        const socket = await forKey(key, address, hold(address, slots))
        held.push(socket)
        return socket
      }
      const { listen } = config.proxy
      for (const [index, address] of listen.entries())
        await open(proxyListenKey(index, listen.length), address, workers)
      const sockets = held.slice()
      const admin: [HeldSocket, ...HeldSocket[]] = [await open('admin.listen', config.admin.listen, 1)]
      if (config.admin.preview !== null) admin.push(await open('admin.preview', config.admin.preview, 1))
      if (stopAsked.aborted) throw new StartCalledOff()
      const supervisor = new Supervisor(options, folder, sockets, admin)
      await supervisor.run(stopAsked)
      return supervisor
    } catch (error) {
      for (const socket of held) {
        socket.close()
        socket.remove?.()
      }
      await folder.remove()
      throw error
    }
  }

  /** Lets requests in flight finish, then ends all processes. Safe to call again. */
  stop(): Promise<void> {
    this.stopping ??= this.stopGracefully()
    return this.stopping
  }

  /** Makes the control process read the configuration again. */
  reload(): void {
    this.control.reload()
  }

  /** Replaces the workers one by one, refusing no connection. */
  async replaceWorkers(): Promise<void> {
    this.log.info('replacing the workers')
    const trouble = await this.workers.replace()
    if (this.stopping !== null) return
    if (trouble === null) this.log.info('all workers are replaced')
    else this.log.error(trouble)
    this.control.send({ type: 'replaced', trouble })
  }

  /** Makes the workers open the file of the access log again. */
  reopenLog(): void {
    this.workers.reopenLog()
  }

  private async run(stopAsked: AbortSignal): Promise<void> {
    const started = new Promise<void>((done, failed) => {
      this.settleStart = { done, failed }
    })
    const callOff = (): void => this.settleStart?.failed(new StartCalledOff())
    stopAsked.addEventListener('abort', callOff)
    this.control.start()
    this.workers.startAll()
    setInterval(() => this.control.send({ type: 'vitals', vitals: this.meter.read() }), VITALS_MS).unref()
    // In setImmediate, after messages that are already in the channels: this process may have been held up itself.
    setInterval(() => setImmediate(() => this.watchdog.check()), CHECK_INTERVAL_MS).unref()
    try {
      await started
    } catch (error) {
      if (error instanceof StartCalledOff) await this.stop()
      else await this.giveUp()
      throw error
    } finally {
      stopAsked.removeEventListener('abort', callOff)
    }
    this.hasStarted = true
    this.workers.enableAdoption()
    this.control.prepareStandby()
  }

  private async giveUp(): Promise<void> {
    const children = [...this.workers.end(), this.control.end() ?? []].flat()
    for (const child of children) child.kill()
    await Promise.all(children.map(({ exited }) => exited))
    await this.release()
  }

  private handleMessage(message: FromChild): void {
    switch (message.type) {
      case 'ready':
        this.isControlReady = true
        this.checkStarted()
        if (this.hasStarted) this.control.prepareStandby()
        break
      case 'failed':
        this.handleTrouble(message.message, message.exitCode)
        break
      case 'configured':
        this.config = message.config
        break
      case 'state':
      case 'stateChange':
      case 'kept':
        this.state.take(message)
        break
      case 'tls':
        this.tls = message.listeners
        break
      case 'replaceWorkers':
        void this.replaceWorkers()
        break
    }
  }

  private checkStarted(): void {
    if (this.isControlReady && this.workers.areReady) this.settleStart?.done()
  }

  /**
   * Handles the failure of a child: during the start it makes the start fail; later it is logged, and the child
   * restarts.
   */
  private handleTrouble(message: string, exitCode: number): void {
    if (this.hasStarted) this.log.error(message)
    else this.settleStart?.failed(new StartFailed(message, exitCode))
  }

  private async stopGracefully(): Promise<void> {
    const { acceptForMs, timeoutMs } = this.config.shutdown
    const workers = this.workers.end()
    const control = this.control.end()
    // The workers have descriptors of their own, and close them once no connection waits there any more.
    for (const socket of this.sockets) socket.close()
    control?.send({ type: 'stop', timeoutMs })
    if (control === null || !this.control.isReady)
      for (const worker of workers) worker.send({ type: 'stopAll', acceptForMs, timeoutMs })
    // Reaches workers that control could not tell: because it has died, or because they have only just been started.
    void control?.exited.then(() => {
      for (const worker of workers) worker.send({ type: 'stopAll', acceptForMs: 0, timeoutMs })
    })
    const maxMs = timeoutMs === null ? null : acceptForMs + timeoutMs + GRACE_MS
    // A control process that is still starting has nothing to finish.
    const maxControlMs = this.control.isReady ? maxMs : GRACE_MS
    await Promise.all([
      ...workers.map((worker) => waitForExit(worker, maxMs)),
      control === null ? null : waitForExit(control, maxControlMs),
    ])
    await this.release()
  }

  private async release(): Promise<void> {
    for (const socket of [...this.sockets, ...this.admin]) {
      socket.close()
      socket.remove?.()
    }
    await this.folder.remove()
  }
}

/** Folder in which Node caches compiled code for this process; null = caching is not possible. */
function compileCache(): string | null {
  return getCompileCacheDir() === undefined ? null : (process.env.NODE_COMPILE_CACHE ?? null)
}
