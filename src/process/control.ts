import type { Logger } from 'pino'
import { Child } from './child.ts'
import type { ControlInit, FromChild, ToChild } from './ipc.ts'
import { BackOff } from './slot.ts'

export interface ControlOptions {
  /** Descriptor of the admin API's socket. */
  readonly adminFd: number
  /** Of ours, for compiled code. */
  readonly cache: string
  readonly log: Logger
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

  constructor(options: ControlOptions) {
    this.options = options
  }

  start(): void {
    const control = this.standby ?? this.fork()
    this.standby = null
    this.current = control
    control.startedAt = performance.now()
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

  /** Starts no more of them. Returns the one there is. */
  end(): Child | null {
    this.isEnding = true
    this.standby?.kill()
    return this.current
  }

  private fork(): Child {
    const { adminFd, cache, hear } = this.options
    const control = new Child('control', 'control', [adminFd], cache, hear)
    void control.exited.then((how) => {
      if (this.standby === control) this.standby = null
      if (this.current === control) this.ended(control, how)
    })
    return control
  }

  private ended(control: Child, how: string): void {
    this.current = null
    if (this.isEnding) return
    const delayMs = this.backOff.died(performance.now() - control.startedAt)
    this.options.log.error({ pid: control.pid, how, delayMs }, 'the control process has ended; starting another one')
    this.options.onTrouble(`the control process ended (${how})`)
    setTimeout(() => {
      if (!this.isEnding) this.start()
    }, delayMs)
  }
}
