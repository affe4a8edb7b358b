import type { Change, Documents } from '../model/state.ts'
import { rethrowAsync } from './rethrow-async.ts'
import type { StoreListener } from './store.ts'

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
