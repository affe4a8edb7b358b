import { messageOf, placeOf, placeOfHook } from '../../hooks/run-program.ts'
import type { HookName, HooksProgram } from '../../model/hooks.ts'
import type { Counters } from '../../telemetry/counters.ts'

/** Time in which the errors of one hook are logged once. */
const LOGGED_EVERY_MS = 1_000

/** The log that errors of hooks go to. */
export interface ErrorLog {
  error(fields: object, message: string): void
}

/** Counts and logs the errors of hooks. */
export class HookErrors {
  private readonly program: HooksProgram
  private readonly counters: Counters
  private readonly log: ErrorLog
  /** By hook: when an error was logged (monotonic ms), and the number of those since. */
  private readonly logged = new Map<HookName, { at: number; unlogged: number }>()

  constructor(program: HooksProgram, counters: Counters, log: ErrorLog) {
    this.program = program
    this.counters = counters
    this.log = log
  }

  add(hook: HookName, error: unknown, service: string): void {
    this.counters.tally('hookErrors', service, hook).add()
    const now = performance.now()
    const before = this.logged.get(hook)
    if (before !== undefined && now - before.at < LOGGED_EVERY_MS) {
      before.unlogged++
      return
    }
    this.logged.set(hook, { at: now, unlogged: 0 })
    const place = placeOf(error, this.program) ?? placeOfHook(hook, this.program)
    const more = before === undefined || before.unlogged === 0 ? {} : { unlogged: before.unlogged }
    this.log.error({ hook, place, service, error: messageOf(error), ...more }, 'a hook has failed')
  }
}
