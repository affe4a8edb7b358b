import type { Change, Documents } from '../model/state.ts'
import type { StoreListener } from './store.ts'

/** Lets a bug in what we call surface as what it is, uncaught, without becoming the failure of what called it. */
export function surface(error: unknown): void {
  process.nextTick(() => {
    throw error
  })
}

/** Who hears of every change. */
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
        // The change stands, and the others must hear of it.
        surface(error)
      }
    }
  }
}
