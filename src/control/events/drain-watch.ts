import { isReopened } from '../../model/drains.ts'
import type { EventLog } from '../../store/event-log.ts'
import type { OpenFact } from '../../store/kept-events.ts'
import type { Control } from '../control.ts'
import { finishedDrain, isDrain } from './started-drains.ts'

/** Time after which the end of a drain is reported again if the log does not have it, ms. */
const REPEAT_MS = 5_000

/**
 * Ends the drains of the log when they are over in the whole fleet. Every instance does so, whichever began them, and the
 * log takes the first end; so it comes even if instances die, and only once.
 */
export class DrainWatch {
  private readonly log: EventLog
  private readonly control: Pick<Control, 'state' | 'drains' | 'controller'>
  private readonly nowMs: () => number
  /** By id of the event that began it: when its end was reported, monotonic ms. */
  private readonly reported = new Map<string, number>()

  /** `nowMs`: the clock of the store. */
  constructor(log: EventLog, control: DrainWatch['control'], nowMs: () => number) {
    this.log = log
    this.control = control
    this.nowMs = nowMs
  }

  check(): void {
    const { kept } = this.log
    const ids = new Set([...kept.open.values()].map(({ id }) => id))
    for (const id of this.reported.keys()) if (!ids.has(id)) this.reported.delete(id)
    // What is in force here by an override says nothing of the drain.
    if (this.control.controller.overrides.length > 0) return
    for (const [subject, fact] of kept.open) {
      if (!isDrain(subject) || this.isReported(fact.id)) continue
      const outcome = this.outcomeOf(subject, fact)
      if (outcome === null) continue
      this.reported.set(fact.id, performance.now())
      const at = new Date(this.nowMs()).toISOString()
      this.log.append([finishedDrain(subject, { started: fact.event, outcome, at })])
    }
  }

  /** How a drain has ended; null = it goes on, as far as this instance knows. */
  private outcomeOf(name: string, { event, keys }: OpenFact): 'drained' | 'reopened' | null {
    const { state, drains } = this.control
    // The state may be older than the log.
    if ((event.revision ?? 0) > state.revision) return null
    if (isReopened({ name, keys }, state)) return 'reopened'
    return drains.isDrained({ name, keys }) ? 'drained' : null
  }

  private isReported(id: string): boolean {
    const at = this.reported.get(id)
    return at !== undefined && performance.now() - at < REPEAT_MS
  }
}
