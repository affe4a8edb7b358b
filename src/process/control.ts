import type { Logger } from 'pino'
import { Child, wasSignalled } from './child.ts'
import type { ControlInit, FromChild, ToChild } from './ipc.ts'
import { BackOff } from './slot.ts'
import type { Watchdog } from './watchdog.ts'

export interface ControlOptions {
  /** Descriptors of the sockets that it serves: the admin API's, and that of previews where there is one. */
  readonly fds: readonly number[]
  /** Of ours, for compiled code. */
  readonly cache: string
  readonly log: Logger
  readonly watchdog: Watchdog<Child>
  /** What the control process that starts now is told first. */
  readonly init: () => ControlInit
  readonly hear: (message: FromChild) => void
  /** It has ended unexpectedly. */
  readonly onTrouble: (message: string) => void
}

/**
 * The control process, started again when it dies. Loading its code is most of what it takes to start, so another one has
 * done that already and stands by.
 */
export class Control {
  private readonly options: ControlOptions
  private readonly backOff = new BackOff()
  private current: Child | null = null
  private standby: Child | null = null
  private isEnding = false
  /** Whether there is one that answers. */
  isReady = false
  /** How often the configuration was to be read again, and which of these times it has been. */
  private reloadsAsked = 0
  private reloadsDone = 0

  constructor(options: ControlOptions) {
    this.options = options
  }

  start(): void {
    this.isReady = false
    const control = this.standby ?? this.fork()
    this.standby = null
    this.current = control
    control.startedAt = performance.now()
    this.options.watchdog.watch(control)
    control.send(this.options.init())
  }

  /** Has the next one stand by. */
  prepare(): void {
    if (!this.isEnding) this.standby ??= this.fork()
  }

  /** While there is none, it is not told: it asks for all there is when it starts. */
  send(message: ToChild): void {
    this.current?.send(message)
  }

  /** Has the configuration read again: by the control process there is, or by the next one if this one dies before it has. */
  reload(): void {
    this.reloadsAsked++
    this.passReload()
  }

  /** Starts no more of them. Returns the one there is. */
  end(): Child | null {
    this.isEnding = true
    this.standby?.kill()
    return this.current
  }

  private fork(): Child {
    const { fds, cache } = this.options
    const control: Child = new Child('control', 'control', fds, cache, (message) => this.hear(control, message))
    void control.exited.then((how) => {
      this.options.watchdog.forget(control)
      if (this.standby === control) this.standby = null
      if (this.current === control) this.ended(control, how)
    })
    return control
  }

  private hear(control: Child, message: FromChild): void {
    if (message.type === 'reloaded') {
      this.reloadsDone = Math.max(this.reloadsDone, message.id)
      return
    }
    if (message.type === 'ready' && control === this.current) {
      this.isReady = true
      this.passReload()
    }
    // While it starts, many services may keep it busy without a pause.
    if (this.isReady && control === this.current) this.options.watchdog.heard(control)
    this.options.hear(message)
  }

  private passReload(): void {
    if (this.isReady && this.reloadsDone < this.reloadsAsked) this.send({ type: 'reload', id: this.reloadsAsked })
  }

  private ended(control: Child, how: string): void {
    this.current = null
    this.isReady = false
    if (this.isEnding) return
    const delayMs = this.backOff.died(performance.now() - control.startedAt)
    this.options.log.error({ pid: control.pid, how, delayMs }, 'the control process has ended; starting another one')
    if (!wasSignalled(how)) this.options.onTrouble(`the control process ended (${how})`)
    setTimeout(() => {
      if (!this.isEnding) this.start()
    }, delayMs)
  }
}
