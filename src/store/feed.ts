import type { Change, Documents } from '../model/state.ts'
import type { StoreListener } from './store.ts'

/**
 * Throws an error in a later tick, as uncaught, so that a bug in a callback does not become a failure of its caller.
 */
export function rethrowAsync(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

/** The listeners of a store; each is told of every change. */
export class Feed {
  readonly #listeners = new Set<StoreListener>()

  subscribe(listener: StoreListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(documents: Documents, change: Change | null): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(documents, change)
      } catch (error) {
        // The change is committed, and the other listeners must be told of it.
        rethrowAsync(error)
      }
    }
  }
}
