import { randomUUID } from 'node:crypto'
import { getCompileCacheDir } from 'node:module'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { Identity } from '../control/proxies.ts'
import { VitalsMeter } from '../telemetry/vitals.ts'
import { type Child, endsWithin, FIRST_HANDED_FD, GRACE_MS } from './child.ts'
import { Control } from './control.ts'
import type { FromChild } from './ipc.ts'
import { forKey } from './listen-options.ts'
import { PrivateFolder } from './private-folder.ts'
import { type Handle, type HeldSocket, hold } from './sockets.ts'
import { StartCalledOff, StartFailed } from './start-failed.ts'
import { KeptState } from './state-copy.ts'
import { LOOK_MS, Watchdog } from './watchdog.ts'
import { Workers } from './workers.ts'

export interface SupervisorOptions {
  readonly config: Config
  readonly file: string
  readonly joinAnyway: boolean
  readonly workers: number
  readonly log: Logger
  /** Aborts when the start is to be called off. */
  readonly stopAsked: AbortSignal
}

const VITALS_MS = 1_000

/**
 * Holds the sockets, starts control and workers, and has them started again when they die. It decides nothing, and no
 * request passes through it, so that it has no reason to die itself.
 */
export class Supervisor {
  readonly proxyAddresses: readonly string[]
  readonly adminAddress: string
  private readonly log: Logger
  private readonly file: string
  private readonly sockets: readonly HeldSocket[]
  /** The admin API's, and that of previews where there is one. */
  private readonly admin: readonly HeldSocket[]
  private readonly folder: PrivateFolder
  private readonly identity: Identity
  private readonly control: Control
  private readonly workers: Workers
  private readonly watchdog: Watchdog<Child>
  private readonly meter = new VitalsMeter()
  private readonly state = new KeptState()
  /** As it was last read and applied. */
  private config: Config
  /** A control process has been ready: the next one resumes what the store has. */
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
    this.proxyAddresses = sockets.map(({ url }) => url)
    this.adminAddress = admin[0].url
    const wire = join(folder.path, 'control.sock')
    const cache = compileCache() ?? folder.path
    this.watchdog = new Watchdog<Child>({
      onChange: ({ name, pid }, isHung) => {
        if (isHung) log.error({ process: name, pid }, 'a process does not respond; new connections go elsewhere')
        else log.info({ process: name, pid }, 'a process responds again')
        this.workers.hungChanged()
      },
      onKill: ({ name, pid }) => log.error({ process: name, pid }, 'a process has not come back and is replaced'),
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
      onTrouble: (message) => this.troubled(message, 1),
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
        adminAddress: this.adminAddress,
        adminFd: FIRST_HANDED_FD,
        previewFd: admin.length > 1 ? FIRST_HANDED_FD + 1 : null,
        wire,
        roster: this.workers.roster(),
      }),
      hear: (message) => this.hear(message),
      onTrouble: (message) => this.troubled(message, 1),
    })
  }

  /** Resolves when everything is up. Rejects with StartFailed, StartCalledOff, or what binding throws; nothing is left running then. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { config, workers, stopAsked } = options
    const held: HeldSocket[] = []
    const folder = await PrivateFolder.create()
    try {
      for (const address of config.proxy.listen) held.push(await hold(address, workers))
      const sockets = held.slice()
      const admin: [HeldSocket, ...HeldSocket[]] = [await hold(config.admin.listen, 1)]
      held.push(...admin)
      if (config.admin.preview !== null) {
        const preview = await forKey('admin.preview', hold(config.admin.preview, 1))
        admin.push(preview)
        held.push(preview)
      }
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

  /** Lets what is under way finish, then ends all. Safe to call again. */
  stop(): Promise<void> {
    this.stopping ??= this.stopGently()
    return this.stopping
  }

  /** Has the configuration read again. */
  reload(): void {
    this.control.reload()
  }

  /** Replaces the workers one by one, refusing no connection. */
  async replaceWorkers(): Promise<void> {
    this.log.info('replacing the workers')
    const trouble = await this.workers.replace()
    if (this.stopping !== null) return
    if (trouble === null) this.log.info('every worker is a new one')
    else this.log.error(trouble)
    this.control.send({ type: 'replaced', trouble })
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
    // After what has arrived is heard: messages may have waited for us.
    setInterval(() => setImmediate(() => this.watchdog.look()), LOOK_MS).unref()
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
    this.workers.coverForEachOther()
    this.control.prepare()
  }

  private async giveUp(): Promise<void> {
    const children = [...this.workers.end(), this.control.end() ?? []].flat()
    for (const child of children) child.kill()
    await Promise.all(children.map(({ exited }) => exited))
    await this.release()
  }

  private hear(message: FromChild): void {
    switch (message.type) {
      case 'ready':
        this.isControlReady = true
        this.checkStarted()
        if (this.hasStarted) this.control.prepare()
        break
      case 'failed':
        this.troubled(message.message, message.exitCode)
        break
      case 'configured':
        this.config = message.config
        break
      case 'state':
      case 'stateChange':
        this.state.take(message)
        break
      case 'replaceWorkers':
        void this.replaceWorkers()
        break
    }
  }

  private checkStarted(): void {
    if (this.isControlReady && this.workers.areReady) this.settleStart?.done()
  }

  /** What a child could not do at the start ends the start; later on, it is tried again. */
  private troubled(message: string, exitCode: number): void {
    if (this.hasStarted) this.log.error(message)
    else this.settleStart?.failed(new StartFailed(message, exitCode))
  }

  private async stopGently(): Promise<void> {
    const { acceptForMs, timeoutMs } = this.config.shutdown
    const workers = this.workers.end()
    const control = this.control.end()
    // The workers have their own descriptors, and let go of them when nothing waits there any more.
    for (const socket of this.sockets) socket.close()
    control?.send({ type: 'stop', timeoutMs })
    if (control === null || !this.control.isReady)
      for (const worker of workers) worker.send({ type: 'stopAll', acceptForMs, timeoutMs })
    // Those that it could not tell, since it has died or they have only just been started, are told here.
    void control?.exited.then(() => {
      for (const worker of workers) worker.send({ type: 'stopAll', acceptForMs: 0, timeoutMs })
    })
    const mostMs = timeoutMs === null ? null : acceptForMs + timeoutMs + GRACE_MS
    // What a control process does that is only starting is not worth a wait.
    const controlMs = this.control.isReady ? mostMs : GRACE_MS
    await Promise.all([
      ...workers.map((worker) => endsWithin(worker, mostMs)),
      control === null ? null : endsWithin(control, controlMs),
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

/** Where this process keeps compiled code; null where it cannot. */
function compileCache(): string | null {
  return getCompileCacheDir() === undefined ? null : (process.env.NODE_COMPILE_CACHE ?? null)
}
