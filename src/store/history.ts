import { hasSubject } from '../model/collections.ts'
import type { Change, Documents, HistoryEntry } from '../model/state.ts'
import type { HistoryQuery } from './store.ts'

/** Max entries kept of one service; the oldest go first. */
const MAX_ENTRIES = 1_000
/**
 * The history of a removed service is dropped this many revisions after its last entry: otherwise names would pile up.
 */
const MAX_REVISIONS_REMOVED = 10_000

/** The history of each service and document, in memory. */
export class History {
  readonly #byService = new Map<string, HistoryEntry[]>()

  constructor(entries: readonly HistoryEntry[] = []) {
    this.#add(entries)
  }

  /** Adds the history entries of `change`. */
  record(change: Change): void {
    this.#add(change.history)
  }

  /** Newest first. */
  newest({ service, limit }: HistoryQuery): readonly HistoryEntry[] {
    return (this.#byService.get(service) ?? []).toReversed().slice(0, Math.max(0, limit))
  }

  /** As `entries`, limited to the newest `count` of each service. */
  newestOfEach(documents: Documents, count: number): readonly HistoryEntry[] {
    const byService = Map.groupBy(this.entries(documents), ({ service }) => service)
    return [...byService.values()].flatMap((entries) => entries.slice(-count))
  }

  /**
   * Returns all entries worth keeping with `documents`, the oldest of each service first. Drops the history of services
   * removed long ago.
   */
  entries(documents: Documents): readonly HistoryEntry[] {
    for (const [service, entries] of this.#byService) {
      const age = documents.revision - (entries.at(-1)?.revision ?? 0)
      if (age > MAX_REVISIONS_REMOVED && !hasSubject(documents, service)) this.#byService.delete(service)
    }
    return [...this.#byService.values()].flat()
  }

  #add(entries: readonly HistoryEntry[]): void {
    for (const entry of entries) {
      const kept = this.#byService.get(entry.service) ?? []
      if (kept.push(entry) > MAX_ENTRIES) kept.shift()
      this.#byService.set(entry.service, kept)
    }
  }
}
