import { runProgram } from '../../hooks/run-program.ts'
import type { Hooks } from '../../hooks/types.ts'
import type { HookSettings, HooksProblem } from '../../model/hooks.ts'
import type { Counters } from '../../telemetry/counters.ts'
import { type ErrorLog, HookErrors } from './hook-errors.ts'

/** The hooks of a data plane. A request keeps those with which it began. */
export interface HooksInForce {
  readonly hooks: Hooks
  readonly timeoutMs: number
  /** Whether a request goes on if its hook has failed. */
  readonly ignoresErrors: boolean
  readonly errors: HookErrors
}

/** Loads the hooks of a data plane, at first and at each reload. */
export class HookLoader {
  /** null = none: requests are not looked at. */
  inForce: HooksInForce | null = null
  private readonly counters: Counters
  private readonly log: ErrorLog
  private id: string | null = null

  constructor(counters: Counters, log: ErrorLog) {
    this.counters = counters
    this.log = log
  }

  /**
   * Runs the program and puts its hooks in force, unless they are already. Returns the problem if it cannot be run; the
   * hooks in force stay then.
   */
  load({ program, timeoutMs, onError }: HookSettings): HooksProblem | null {
    if (program === null) {
      this.inForce = null
      this.id = null
      return null
    }
    if (program.id === this.id) return null
    const hooks = runProgram(program)
    if ('message' in hooks) {
      this.log.error({ ...hooks }, 'the hooks cannot be used')
      return hooks
    }
    this.id = program.id
    const errors = new HookErrors(program, this.counters, this.log)
    this.inForce = { hooks, timeoutMs, ignoresErrors: onError === 'ignore', errors }
    return null
  }
}
