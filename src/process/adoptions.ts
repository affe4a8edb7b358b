import type { Child } from './child.ts'
import type { Slot } from './slot.ts'
import type { HeldSocket } from './sockets.ts'

/**
 * While a slot has no worker, another worker takes connections from its sockets as well, so that none waits for one that
 * is still starting. Where all workers share one socket there is nothing to take over.
 */
export class Adoptions {
  private readonly sockets: readonly HeldSocket[]
  private readonly slots: readonly Slot[]
  /** Who takes connections from the sockets of a slot in its worker's place. */
  private readonly adopters = new Map<Slot, Child>()
  private next = 0

  constructor(slots: readonly Slot[], sockets: readonly HeldSocket[]) {
    this.slots = slots
    this.sockets = sockets
  }

  /** Workers have come or gone. */
  settle(): void {
    const living = this.slots.flatMap(({ current }) => current ?? [])
    for (const slot of this.slots) {
      const adopter = this.adopters.get(slot)
      if (slot.current !== null) {
        this.adopters.delete(slot)
        adopter?.send({ type: 'release', slot: slot.index })
      } else if (living.length > 0 && (adopter === undefined || !living.includes(adopter))) {
        this.adopt(slot, living[this.next++ % living.length] as Child)
      }
    }
  }

  private adopt(slot: Slot, adopter: Child): void {
    this.adopters.set(slot, adopter)
    for (const [listener, { handles }] of this.sockets.entries()) {
      const handle = handles.length > 1 ? handles[slot.index] : undefined
      if (handle !== undefined) adopter.send({ type: 'adopt', slot: slot.index, listener }, handle)
    }
  }
}
