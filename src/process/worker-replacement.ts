import type { Child } from './child.ts'
import type { Slot } from './slot.ts'

export interface Replacing {
  /** Starts a worker beside the one there is; resolves when it takes connections, or with how it ended instead. */
  start(slot: Slot): Promise<string | null>
  /** Has the worker before it finish; resolves when it has ended. */
  retire(worker: Child): Promise<void>
}

/** Puts a fresh worker in every slot, one by one: start, wait until it serves, and only then let the old one finish. */
export class WorkerReplacement {
  private readonly slots: readonly Slot[]
  private readonly replacing: Replacing
  private running: Promise<string | null> | null = null

  constructor(slots: readonly Slot[], replacing: Replacing) {
    this.slots = slots
    this.replacing = replacing
  }

  /** Resolves with what went wrong, or null. Asked for while it runs, it is the same one. */
  run(): Promise<string | null> {
    this.running ??= this.replaceAll().finally(() => {
      this.running = null
    })
    return this.running
  }

  private async replaceAll(): Promise<string | null> {
    for (const slot of this.slots) {
      const before = slot.current
      // One that is missing is being started anyway, and will be fresh.
      if (before === null || slot.coming !== null) continue
      const end = await this.replacing.start(slot)
      if (end !== null)
        return `worker ${slot.index + 1} was not replaced: the new one ended (${end}); the old ones go on`
      await this.replacing.retire(before)
    }
    return null
  }
}
