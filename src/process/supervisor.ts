import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { Identity } from '../control/proxies.ts'
import { VitalsMeter } from '../telemetry/vitals.ts'
import { Adoptions } from './adoptions.ts'
import { Child, FIRST_HANDED_FD } from './child.ts'
import type { FromChild, Roster } from './ipc.ts'
import { BackOff, Slot } from './slot.ts'
import { type Handle, type HeldSocket, hold } from './sockets.ts'
import { StartFailed } from './start-failed.ts'
import { WorkerReplacement } from './worker-replacement.ts'

export interface SupervisorOptions {
  readonly config: Config
  readonly file: string
  readonly workers: number
  readonly log: Logger
}

const VITALS_MS = 1_000
/** How much longer than it was given a child may take to end before it is killed. */
const GRACE_MS = 5_000

/**
 * Holds the sockets, starts control and workers, and starts them again when they die. It decides nothing, and no request
 * passes through it, so that it has no reason to die itself.
 */
export class Supervisor {
  readonly proxyAddresses: readonly string[]
  readonly adminAddress: string
  private config: Config
  private readonly options: SupervisorOptions
  private readonly sockets: readonly HeldSocket[]
  private readonly admin: HeldSocket
  private readonly folder: string
  private readonly identity: Identity = { id: randomUUID(), name: hostname(), startedAt: new Date().toISOString() }
  private readonly slots: readonly Slot[]
  /** Workers that finish what they have. */
  private readonly leaving = new Set<Child>()
  private control: Child | null = null
  /** The next control process. */
  private standby: Child | null = null
  private readonly controlBackOff = new BackOff()
  private readonly meter = new VitalsMeter()
  private readonly replacement: WorkerReplacement
  private readonly adoptions: Adoptions
  private isControlReady = false
  private hasStarted = false
  private resumed = false
  private restarts = 0
  private generation = 0
  private stopping: Promise<number> | null = null
  private settleStart: { readonly done: () => void; readonly failed: (error: StartFailed) => void } | null = null

  private constructor(options: SupervisorOptions, folder: string, sockets: readonly HeldSocket[], admin: HeldSocket) {
    this.options = options
    this.config = options.config
    this.folder = folder
    this.sockets = sockets
    this.admin = admin
    this.proxyAddresses = sockets.map(({ url }) => url)
    this.adminAddress = admin.url
    this.slots = Array.from({ length: options.workers }, (_, index) => new Slot(index))
    this.adoptions = new Adoptions(this.slots, sockets)
    this.replacement = new WorkerReplacement(this.slots, {
      start: (slot) => this.startWorker(slot),
      retire: (worker, slot) => this.retire(worker, slot),
    })
  }

  /** Resolves when everything is up. Rejects with StartFailed, or what binding throws; nothing is left running then. */
  static async start(options: SupervisorOptions): Promise<Supervisor> {
    const { config, workers } = options
    const held: HeldSocket[] = []
    const folder = await mkdtemp(join(tmpdir(), 'cutover-'))
    try {
      for (const address of config.proxy.listen) held.push(await hold(address, workers))
      const admin = await hold(config.admin.listen, 1)
      held.push(admin)
      const supervisor = new Supervisor(options, folder, held.slice(0, -1), admin)
      await supervisor.run()
      return supervisor
    } catch (error) {
      for (const socket of held) socket.close()
      await rm(folder, { recursive: true, force: true })
      throw error
    }
  }

  /** Lets what is under way finish, then ends all. Resolves with the exit code. */
  stop(): Promise<number> {
    this.stopping ??= this.stopGently()
    return this.stopping
  }

  /** Has the configuration read again. */
  reload(): void {
    this.control?.send({ type: 'reload' })
  }

  /** Replaces the workers one by one, refusing no connection. */
  async replaceWorkers(): Promise<void> {
    const { log } = this.options
    log.info('replacing the workers')
    const trouble = await this.replacement.run()
    if (trouble === null) log.info('every worker is a new one')
    else log.error(trouble)
    this.control?.send({ type: 'replaced', trouble })
  }

  private async run(): Promise<void> {
    const started = new Promise<void>((done, failed) => {
      this.settleStart = { done, failed }
    })
    this.startControl()
    for (const slot of this.slots) this.startWorker(slot)
    setInterval(() => this.control?.send({ type: 'vitals', vitals: this.meter.read() }), VITALS_MS).unref()
    try {
      await started
    } catch (error) {
      this.stopping = Promise.resolve(1)
      await this.killAll()
      throw error
    }
    this.hasStarted = true
    this.standBy()
  }

  /** Loading its code is most of what a control process takes to start: the next one has done so already. */
  private standBy(): void {
    if (this.stopping === null) this.standby ??= this.forkControl()
  }

  private startControl(): void {
    const control = this.standby ?? this.forkControl()
    this.standby = null
    this.control = control
    control.startedAt = performance.now()
    const { config, resumed, identity } = this
    control.send({
      type: 'control',
      config,
      file: this.options.file,
      resumed,
      identity,
      adminFd: FIRST_HANDED_FD,
      wire: this.wire,
      roster: this.roster(),
    })
  }

  /** A control process that has loaded its code, and waits to be told to begin. */
  private forkControl(): Child {
    const fds = [(this.admin.handles[0] as Handle).fd]
    const control = new Child('control', 'control', fds, this.folder, (message) => this.hearControl(message))
    void control.exited.then((how) => {
      if (this.standby === control) this.standby = null
      if (this.control === control) this.controlEnded(control, how)
    })
    return control
  }

  private hearControl(message: FromChild): void {
    switch (message.type) {
      case 'ready':
        this.isControlReady = true
        this.resumed = true
        this.checkStarted()
        if (this.hasStarted) this.standBy()
        break
      case 'failed':
        this.fail(message)
        break
      case 'configured':
        this.config = message.config
        break
      case 'replaceWorkers':
        void this.replaceWorkers()
        break
    }
  }

  private controlEnded(control: Child, how: string): void {
    this.control = null
    if (this.stopping !== null) return
    if (!this.hasStarted) this.fail({ message: `the control process ended (${how})`, exitCode: 1 })
    const delayMs = this.controlBackOff.died(performance.now() - control.startedAt)
    this.options.log.error({ pid: control.pid, how, delayMs }, 'the control process has ended; starting another one')
    this.after(delayMs, () => this.startControl())
  }

  /** Starts a worker for a slot; resolves when it takes connections, or with how it ended instead. */
  private startWorker(slot: Slot): Promise<string | null> {
    const { proxy } = this.config
    const fds = this.sockets.map(({ handles }) => (handles[slot.index] ?? (handles[0] as Handle)).fd)
    const listeners = fds.map((_, i) => ({
      fd: FIRST_HANDED_FD + i,
      proxyProtocol: proxy.listen[i]?.proxyProtocol === true,
    }))
    const name = `worker-${slot.index + 1}.${++this.generation}`
    return new Promise((resolve) => {
      const worker = new Child('worker', name, fds, this.folder, (message) => {
        if (message.type === 'failed') this.fail(message)
        if (message.type !== 'ready') return
        slot.coming = null
        slot.lastEnd = ''
        const before = slot.current
        slot.current = worker
        if (before !== null) this.leaving.add(before)
        this.workersChanged()
        this.checkStarted()
        resolve(null)
      })
      slot.coming = worker
      worker.send({
        type: 'worker',
        name,
        slot: slot.index,
        workers: this.slots.length,
        proxy,
        listeners,
        wire: this.wire,
      })
      void worker.exited.then((how) => {
        resolve(how)
        this.workerEnded(slot, worker, how)
      })
    })
  }

  private workerEnded(slot: Slot, worker: Child, how: string): void {
    const wasLeaving = this.leaving.delete(worker)
    if (slot.current === worker) slot.current = null
    if (slot.coming === worker) slot.coming = null
    this.workersChanged()
    if (this.stopping !== null || wasLeaving) return
    if (!this.hasStarted) this.fail({ message: `a worker ended (${how})`, exitCode: 1 })
    this.restarts++
    const delayMs = slot.backOff.died(performance.now() - worker.startedAt)
    slot.lastEnd = how
    this.options.log.error({ worker: worker.name, pid: worker.pid, how, delayMs }, 'a worker has ended')
    this.workersChanged()
    if (slot.current !== null || slot.coming !== null) return
    this.after(delayMs, () => {
      if (slot.current === null && slot.coming === null) void this.startWorker(slot)
    })
  }

  /** Has a worker that has been replaced finish and end. */
  private async retire(worker: Child, _slot: Slot): Promise<void> {
    const { timeoutMs } = this.config.shutdown
    worker.send({ type: 'stop', timeoutMs })
    if (timeoutMs > 0) await this.endsWithin(worker, timeoutMs + GRACE_MS)
    else await worker.exited
  }

  /** Control learns who lives, and orphaned sockets get somebody. */
  private workersChanged(): void {
    this.control?.send({ type: 'roster', roster: this.roster() })
    // At the start there is nobody at a socket before its own worker, and no connection either.
    if (this.hasStarted && this.stopping === null) this.adoptions.settle()
  }

  private roster(): Roster {
    const living = [...this.slots.flatMap(({ current }) => current ?? []), ...this.leaving]
    const troubled = this.slots.filter(({ current, lastEnd }) => current === null && lastEnd !== '')
    const trouble = troubled.map(
      ({ index, lastEnd, backOff }) =>
        `worker ${index + 1} has ended (${lastEnd})${backOff.deaths > 1 ? `, ${backOff.deaths} times in a row` : ''}`,
    )
    return {
      workers: living.map(({ name, pid }) => ({ name, pid })),
      restarts: this.restarts,
      trouble: trouble.length === 0 ? null : trouble.join('; '),
    }
  }

  private checkStarted(): void {
    if (this.isControlReady && this.slots.every(({ current }) => current !== null)) this.settleStart?.done()
  }

  /** What a child could not do at the start ends the start; later on, it is tried again. */
  private fail({ message, exitCode }: { readonly message: string; readonly exitCode: number }): void {
    if (this.hasStarted) this.options.log.error(message)
    else this.settleStart?.failed(new StartFailed(message, exitCode))
  }

  private async stopGently(): Promise<number> {
    const { acceptForMs, timeoutMs } = this.config.shutdown
    const control = this.control
    const workers = this.allWorkers()
    this.standby?.kill()
    // The workers have them as well, and let go of them when nothing waits there any more.
    for (const socket of this.sockets) socket.close()
    if (control === null) for (const worker of workers) worker.send({ type: 'stopAll', acceptForMs, timeoutMs })
    else {
      control.send({ type: 'stop', timeoutMs })
      // It dies while it stops the others: then they are told here.
      void control.exited.then(() => {
        for (const worker of workers) worker.send({ type: 'stopAll', acceptForMs: 0, timeoutMs })
      })
    }
    const mostMs = timeoutMs === 0 ? null : acceptForMs + timeoutMs + GRACE_MS
    await Promise.all(
      [...workers, ...(control === null ? [] : [control])].map((child) => this.endsWithin(child, mostMs)),
    )
    await this.release()
    return 0
  }

  /** Kills a child that has not ended after so long; null = waits for ever. */
  private async endsWithin(child: Child, mostMs: number | null): Promise<void> {
    const timer = mostMs === null ? undefined : setTimeout(() => child.kill(), mostMs)
    await child.exited
    clearTimeout(timer)
  }

  private async killAll(): Promise<void> {
    const children = [...this.allWorkers(), this.control ?? [], this.standby ?? []].flat()
    for (const child of children) child.kill()
    await Promise.all(children.map(({ exited }) => exited))
    await this.release()
  }

  private async release(): Promise<void> {
    for (const socket of [...this.sockets, this.admin]) {
      socket.close()
      socket.remove?.()
    }
    await rm(this.folder, { recursive: true, force: true })
  }

  private allWorkers(): Child[] {
    return [...this.slots.flatMap(({ current, coming }) => [current ?? [], coming ?? []].flat()), ...this.leaving]
  }

  private after(delayMs: number, start: () => void): void {
    setTimeout(() => {
      if (this.stopping === null) start()
    }, delayMs)
  }

  private get wire(): string {
    return join(this.folder, 'control.sock')
  }
}
