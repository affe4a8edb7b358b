import type { HeldSocket } from '../net/held-socket.ts'
import type { Child } from './child.ts'
import type { Slot } from './slot.ts'

/**
 * Lets another worker accept connections from a slot's sockets while that slot has no worker or a hung one, so that no
 * connection waits for a worker that is still starting or never recovers. If all workers share one socket, no socket
 * needs to be adopted.
 */
export class Adoptions {
  private readonly isHung: (worker: Child) => boolean
  private readonly sockets: readonly HeldSocket[]
  private readonly slots: readonly Slot[]
  /** The worker that accepts connections from a slot's sockets in place of the slot's own worker. */
  private readonly adopters = new Map<Slot, Child>()
  private next = 0

  constructor(slots: readonly Slot[], sockets: readonly HeldSocket[], isHung: (worker: Child) => boolean) {
    this.isHung = isHung
    this.slots = slots
    this.sockets = sockets
  }

  /** Adopts and releases sockets; call it after a worker has started, ended, hung or recovered. */
  update(): void {
    const serving = this.slots.flatMap(({ current }) => (current === null || this.isHung(current) ? [] : [current]))
    for (const slot of this.slots) {
      const adopter = this.adopters.get(slot)
      const needsOne = slot.current === null || this.isHung(slot.current)
      if (adopter !== undefined && !(needsOne && serving.includes(adopter))) {
        this.adopters.delete(slot)
        // A hung adopter acts on this when it recovers.
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
