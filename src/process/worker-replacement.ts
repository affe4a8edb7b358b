import type { Child } from './child.ts'
import type { Slot } from './slot.ts'

export interface ReplacementActions {
  /**
   * Starts a worker beside the current one; resolves with null once it accepts connections, or with how it ended
   * instead.
   */
  start(slot: Slot): Promise<string | null>
  /** Lets the previous worker finish; resolves when it has ended. */
  retire(worker: Child): Promise<void>
}

/**
 * Replaces the workers of all slots, one by one: starts the new one, waits until it serves, then lets the old one
 * finish.
 */
export class WorkerReplacement {
  private readonly slots: readonly Slot[]
  private readonly actions: ReplacementActions
  private running: Promise<string | null> | null = null

  constructor(slots: readonly Slot[], actions: ReplacementActions) {
    this.slots = slots
    this.actions = actions
  }

  /**
   * Resolves with the reason of a failure, or null. A call during a replacement joins it instead of starting another
   * one.
   */
  run(): Promise<string | null> {
    this.running ??= this.replaceAll().finally(() => {
      this.running = null
    })
    return this.running
  }

  private async replaceAll(): Promise<string | null> {
    for (const slot of this.slots) {
      const before = slot.current
      // A missing worker is being started anyway, and will be a new one.
      if (before === null || slot.coming !== null) continue
      const end = await this.actions.start(slot)
      if (end !== null)
        return `worker ${slot.index + 1} was not replaced: the new one ended (${end}); the old workers keep running`
      await this.actions.retire(before)
    }
    return null
  }
}
