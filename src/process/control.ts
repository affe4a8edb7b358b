import type { Logger } from 'pino'
import { Child, wasSignalled } from './child.ts'
import type { ControlInit, FromChild, ToChild } from './ipc.ts'
import { BackOff } from './slot.ts'
import type { Watchdog } from './watchdog.ts'

export interface ControlOptions {
  /** Descriptors of the sockets that it serves: the admin API's, then the one for previews if configured. */
  readonly fds: readonly number[]
  /** Folder for compiled code, owned by this instance. */
  readonly cache: string
  readonly log: Logger
  readonly watchdog: Watchdog<Child>
  /** Returns the first message for a control process that starts now. */
  readonly init: () => ControlInit
  readonly onMessage: (message: FromChild) => void
  /** Called when the control process has ended unexpectedly. */
  readonly onTrouble: (message: string) => void
}

/** Time between the start of the control process and that of the standby process: both at once would slow the start down, ms. */
const STANDBY_AFTER_MS = 5_000

/**
 * The control process, restarted when it dies. Most of its start is spent on loading code, so a standby process that
 * has already loaded it is kept ready.
 */
export class Control {
  private readonly options: ControlOptions
  private readonly backOff = new BackOff()
  private current: Child | null = null
  private standby: Child | null = null
  private standbyTimer: NodeJS.Timeout | undefined
  private isEnding = false
  /** Whether the current control process has started and answers. */
  isReady = false
  /** Number of reloads requested so far; each reload is identified by its number. */
  private reloadsRequested = 0
  /** The highest number of a reload that is done. */
  private reloadsDone = 0

  constructor(options: ControlOptions) {
    this.options = options
  }

  start(): void {
    this.isReady = false
    clearTimeout(this.standbyTimer)
    const control = this.standby ?? this.fork()
    this.standby = null
    this.current = control
    control.startedAt = performance.now()
    this.options.watchdog.watch(control)
    control.send(this.options.init())
  }

  /** Starts the standby process in a while, unless there is one. */
  prepareStandby(): void {
    if (this.isEnding || this.standby !== null) return
    clearTimeout(this.standbyTimer)
    this.standbyTimer = setTimeout(() => {
      this.standby ??= this.fork()
    }, STANDBY_AFTER_MS)
  }

  /** Sends a message, or drops it while there is no control process: a new one gets everything with `init`. */
  send(message: ToChild): void {
    this.current?.send(message)
  }

  /**
   * Requests a reload of the configuration. If the control process dies before it has reloaded, the next one reloads.
   */
  reload(): void {
    this.reloadsRequested++
    this.sendReload()
  }

  /** Stops restarting the control process. Returns the current one; null = none runs. */
  end(): Child | null {
    this.isEnding = true
    clearTimeout(this.standbyTimer)
    this.standby?.kill()
    return this.current
  }

  private fork(): Child {
    const { fds, cache } = this.options
    const control: Child = new Child('control', 'control', fds, cache, (message) =>
      this.handleMessage(control, message),
    )
    void control.exited.then((how) => {
      this.options.watchdog.forget(control)
      if (this.standby === control) this.standby = null
      if (this.current === control) this.handleExit(control, how)
    })
    return control
  }

  private handleMessage(control: Child, message: FromChild): void {
    if (message.type === 'reloaded') {
      this.reloadsDone = Math.max(this.reloadsDone, message.id)
      return
    }
    if (message.type === 'ready' && control === this.current) {
      this.isReady = true
      this.sendReload()
    }
    // Not before it is ready: a start with many services may block its event loop for longer than a hung process is
    // allowed.
    if (this.isReady && control === this.current) this.options.watchdog.heard(control)
    this.options.onMessage(message)
  }

  private sendReload(): void {
    if (this.isReady && this.reloadsDone < this.reloadsRequested)
      this.send({ type: 'reload', id: this.reloadsRequested })
  }

  private handleExit(control: Child, how: string): void {
    this.current = null
    this.isReady = false
    if (this.isEnding) return
    const delayMs = this.backOff.died(performance.now() - control.startedAt)
    this.options.log.error({ pid: control.pid, how, delayMs }, 'the control process has ended; starting a new one')
    if (!wasSignalled(how)) this.options.onTrouble(`the control process ended (${how})`)
    setTimeout(() => {
      if (!this.isEnding) this.start()
    }, delayMs)
  }
}
