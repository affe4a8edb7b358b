import type { StoreStanding } from '../model/fleet.ts'
import type { Store } from '../store/store.ts'

/** Health of the store as this instance sees it. `revision`: the last one known here. */
export function storeStanding(store: Pick<Store, 'status' | 'troubles'>, revision: number): StoreStanding {
  const status = store.status()
  const details = store
    .troubles()
    .map(({ stopsWrites, since, detail }) =>
      stopsWrites
        ? `takes no changes since ${since.toISOString()}: ${detail}`
        : `since ${since.toISOString()}: ${detail}`,
    )
  if (!status.up) {
    const since = status.since.toISOString()
    details.unshift(`away since ${since}: ${status.detail}; revision ${revision} is the last known`)
  }
  if (details.length === 0) return { status: 'ok', detail: null }
  return { status: 'degraded', detail: details.join('; ') }
}
