import type { Child } from './child.ts'
import type { Slot } from './slot.ts'
import type { HeldSocket } from './sockets.ts'

/**
 * While a slot has no worker, or one that is hung, another worker takes connections from its sockets as well, so that none
 * waits for a worker that is still starting or never comes back. Where all workers share one socket there is nothing to
 * take over.
 */
export class Adoptions {
  private readonly isHung: (worker: Child) => boolean
  private readonly sockets: readonly HeldSocket[]
  private readonly slots: readonly Slot[]
  /** Who takes connections from the sockets of a slot in its worker's place. */
  private readonly adopters = new Map<Slot, Child>()
  private next = 0

  constructor(slots: readonly Slot[], sockets: readonly HeldSocket[], isHung: (worker: Child) => boolean) {
    this.isHung = isHung
    this.slots = slots
    this.sockets = sockets
  }

  /** Workers have come or gone, hang or are back. */
  settle(): void {
    const serving = this.slots.flatMap(({ current }) => (current === null || this.isHung(current) ? [] : [current]))
    for (const slot of this.slots) {
      const adopter = this.adopters.get(slot)
      const needsOne = slot.current === null || this.isHung(slot.current)
      if (adopter !== undefined && !(needsOne && serving.includes(adopter))) {
        this.adopters.delete(slot)
        // One that is hung does so when it comes back.
        adopter.send({ type: 'release', slot: slot.index })
      }
      if (needsOne && serving.length > 0 && !this.adopters.has(slot))
        this.adopt(slot, serving[this.next++ % serving.length] as Child)
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
