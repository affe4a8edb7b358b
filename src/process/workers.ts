import type { Logger } from 'pino'
import type { Config } from '../config/config.ts'
import type { WorkerDeath } from '../control/proxies.ts'
import type { Handle, HeldSocket } from '../net/held-socket.ts'
import { listenerName } from '../net/listen-options.ts'
import { Adoptions } from './adoptions.ts'
import { Child, FIRST_HANDED_FD, GRACE_MS, waitForExit, wasSignalled } from './child.ts'
import type { Roster } from './ipc.ts'
import { Slot } from './slot.ts'
import type { Watchdog } from './watchdog.ts'
import { WorkerReplacement } from './worker-replacement.ts'

/** Max deaths in a roster: more do not happen between two. */
const MAX_DEATHS = 16

export interface WorkersOptions {
  readonly count: number
  readonly config: Config
  readonly sockets: readonly HeldSocket[]
  /** Path of the socket file where the control process listens for the workers. */
  readonly wire: string
  /** Folder for compiled code, owned by this instance. */
  readonly cache: string
  readonly log: Logger
  readonly watchdog: Watchdog<Child>
  /** Called when a worker has started, ended, hung or recovered. */
  readonly onChange: (roster: Roster) => void
  /** Called when a worker has ended unexpectedly or could not start. */
  readonly onTrouble: (message: string) => void
}

/** The worker processes: one per slot, restarted when it dies, and replaced on request. */
export class Workers {
  private readonly options: WorkersOptions
  private readonly slots: readonly Slot[]
  /** Workers that have been replaced and finish their requests. */
  private readonly leaving = new Set<Child>()
  private readonly adoptions: Adoptions
  private readonly replacement: WorkerReplacement
  private restarts = 0
  private deaths: readonly WorkerDeath[] = []
  private generation = 0
  /** Whether workers adopt each other's sockets: not before all have started, and not while the instance stops. */
  private adopts = false
  private isEnding = false

  constructor(options: WorkersOptions) {
    this.options = options
    this.slots = Array.from({ length: options.count }, (_, index) => new Slot(index))
    this.adoptions = new Adoptions(this.slots, options.sockets, (worker) => options.watchdog.isHung(worker))
    this.replacement = new WorkerReplacement(this.slots, {
      start: (slot) => this.start(slot),
      retire: (worker) => this.retire(worker),
    })
  }

  startAll(): void {
    for (const slot of this.slots) void this.start(slot)
  }

  /** Whether every slot has a worker that accepts connections. */
  get areReady(): boolean {
    return this.slots.every(({ current }) => current !== null)
  }

  /** Lets workers adopt the sockets of missing or hung workers from now on. */
  enableAdoption(): void {
    this.adopts = true
    this.adoptions.update()
  }

  /** The watchdog has found that a worker hangs or responds again. */
  handleHungChange(): void {
    this.handleChange()
  }

  /** Replaces all workers, one by one; resolves with the reason of a failure, or null. */
  replace(): Promise<string | null> {
    return this.replacement.run()
  }

  /** Makes every worker open the file of the access log again, those that start or leave too. */
  reopenLog(): void {
    for (const worker of this.all) worker.send({ type: 'reopenLog' })
  }

  /** Stops starting workers. Returns the running ones. */
  end(): readonly Child[] {
    this.isEnding = true
    return this.all
  }

  roster(): Roster {
    const { watchdog } = this.options
    const living = [...this.slots.flatMap(({ current }) => current ?? []), ...this.leaving]
    const hung = living.filter((worker) => watchdog.isHung(worker))
    const troubled = this.slots.filter(({ current, lastEnd }) => current === null && lastEnd !== '')
    const trouble = [
      ...hung.map(({ name, pid }) => `${name} (pid ${pid}) does not respond; it is replaced if it does not recover`),
      ...troubled.map(
        ({ index, lastEnd, backOff }) =>
          `worker ${index + 1} has ended (${lastEnd})${backOff.deaths > 1 ? `, ${backOff.deaths} times in a row` : ''}`,
      ),
    ]
    return {
      workers: living.map((worker) => ({ name: worker.name, pid: worker.pid, isHung: hung.includes(worker) })),
      restarts: this.restarts,
      deaths: this.deaths,
      trouble: trouble.length === 0 ? null : trouble.join('; '),
    }
  }

  private get all(): readonly Child[] {
    return [...this.slots.flatMap(({ current, coming }) => [current ?? [], coming ?? []].flat()), ...this.leaving]
  }

  /** Starts a worker for a slot; resolves with null once it accepts connections, or with how it ended instead. */
  private start(slot: Slot): Promise<string | null> {
    // The sockets may be closed already.
    if (this.isEnding) return Promise.resolve('the instance is stopping')
    const { config, sockets, wire, cache, watchdog, onTrouble } = this.options
    const fds = sockets.map(({ handles }) => (handles[slot.index] ?? (handles[0] as Handle)).fd)
    const listeners = fds.map((_, i) => ({
      fd: FIRST_HANDED_FD + i,
      name: listenerName(sockets[i]?.url ?? ''),
      proxyProtocol: config.proxy.listen[i]?.proxyProtocol === true,
      redirect: config.proxy.listen[i]?.redirectToHttps ?? null,
      ...(config.proxy.listen[i]?.tls === undefined ? {} : { tlsOf: i }),
      h2c: config.proxy.listen[i]?.h2c === true,
    }))
    const name = `worker-${slot.index + 1}.${++this.generation}`
    return new Promise((resolve) => {
      const worker: Child = new Child('worker', name, fds, cache, (message) => {
        watchdog.heard(worker)
        if (message.type === 'failed') onTrouble(message.message)
        if (message.type !== 'ready') return
        if (slot.current !== null) this.leaving.add(slot.current)
        slot.current = worker
        slot.coming = null
        slot.lastEnd = ''
        this.handleChange()
        resolve(null)
      })
      watchdog.watch(worker)
      slot.coming = worker
      const { proxy, telemetry } = config
      const shared = { workers: this.slots.length, proxy, tracing: telemetry.tracing, listeners, wire }
      worker.send({ type: 'worker', name, slot: slot.index, ...shared })
      void worker.exited.then((how) => {
        resolve(how)
        this.handleExit(slot, worker, how)
      })
    })
  }

  private handleExit(slot: Slot, worker: Child, how: string): void {
    this.options.watchdog.forget(worker)
    const wasLeaving = this.leaving.delete(worker)
    if (slot.current === worker) slot.current = null
    if (slot.coming === worker) slot.coming = null
    if (this.isEnding || wasLeaving) {
      this.handleChange()
      return
    }
    this.restarts++
    this.deaths = [...this.deaths, { worker: worker.name, how }].slice(-MAX_DEATHS)
    slot.lastEnd = how
    const delayMs = slot.backOff.died(performance.now() - worker.startedAt)
    this.options.log.error({ worker: worker.name, pid: worker.pid, how, delayMs }, 'a worker has ended')
    if (!wasSignalled(how)) this.options.onTrouble(`a worker ended (${how})`)
    this.handleChange()
    setTimeout(() => {
      if (slot.current === null && slot.coming === null) void this.start(slot)
    }, delayMs)
  }

  /** Lets a replaced worker finish its requests and exit. */
  private async retire(worker: Child): Promise<void> {
    const { timeoutMs } = this.options.config.shutdown
    worker.send({ type: 'stop', timeoutMs })
    await waitForExit(worker, timeoutMs === null ? null : timeoutMs + GRACE_MS)
  }

  private handleChange(): void {
    this.options.onChange(this.roster())
    if (this.adopts && !this.isEnding) this.adoptions.update()
  }
}
