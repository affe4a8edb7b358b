import { flatten } from '../../model/collections.ts'
import type { Change, Documents, HistoryEntry } from '../../model/state.ts'
import { applyChange, EMPTY_DOCUMENTS } from '../../model/state.ts'
import { Feed } from '../feed.ts'
import { History } from '../history.ts'
import type { HistoryQuery } from '../store.ts'
import { headInRedis } from './redis-documents.ts'

/** States that are remembered to have passed here. */
const REMEMBERED = 1_000

/** A state that has passed here, and what made it. */
interface Passed {
  readonly revision: number
  readonly what: string
}

/** The state as this instance knows it, and how it came to it. */
export class KnownState {
  documents: Documents = EMPTY_DOCUMENTS
  readonly feed = new Feed()
  readonly #onChange: () => void
  #history = new History()
  /** By head, oldest first. */
  readonly #passed = new Map<string, Passed>()

  /** `onChange`: called after every change, before the feed. */
  constructor(onChange: () => void) {
    this.#onChange = onChange
  }

  /** What the head is called in Redis. */
  get head(): string {
    return headInRedis(this.documents)
  }

  /** Begins with what was known before; nobody is told. */
  begin(documents: Documents, history: readonly HistoryEntry[]): void {
    this.documents = documents
    this.#history = new History(history)
  }

  /** Takes over a history, oldest first. */
  remember(history: readonly HistoryEntry[]): void {
    this.#history = new History(history)
    this.#onChange()
  }

  /** Whether that state is this one, or has led to it. */
  has(head: string): boolean {
    return this.#passed.has(head) || head === this.documents.head
  }

  history(query: HistoryQuery): readonly HistoryEntry[] {
    return this.#history.newest(query)
  }

  /** The history that is known here, of each service the oldest first; `newest`: at most so many of each. */
  historyEntries(newest = Number.POSITIVE_INFINITY): readonly HistoryEntry[] {
    if (newest === Number.POSITIVE_INFINITY) return this.#history.entries(this.documents)
    return this.#history.newestOfEach(this.documents, newest)
  }

  /** Goes on from `base` by a change; nothing happens if that was done before. */
  follow(base: Documents, head: string, change: Change): void {
    if (this.documents !== base) return
    this.#history.record(change)
    this.become(applyChange(base, change, head), describeChange(change), change)
  }

  /** Goes over to other documents. `what` made them; `change`: null = it is not known what has changed. */
  become(documents: Documents, what: string, change: Change | null): void {
    this.documents = documents
    this.#passed.delete(documents.head)
    this.#passed.set(documents.head, { revision: documents.revision, what })
    const [oldest] = this.#passed.keys()
    if (this.#passed.size > REMEMBERED && oldest !== undefined) this.#passed.delete(oldest)
    this.#onChange()
    this.feed.tell(documents, change)
  }

  /** What has passed here and is not in the past of a state with these heads, newest first; it is forgotten. */
  takeLost(heads: readonly string[]): readonly Passed[] {
    const theirs = new Set(heads)
    const oldest = Math.min(...heads.map((head) => Number(head.split('.')[1])))
    const lost = [...this.#passed].filter(([head, { revision }]) => revision >= oldest && !theirs.has(head))
    for (const [head] of lost) this.#passed.delete(head)
    return lost.map(([, passed]) => passed)
  }
}

/** A change in a few words, such as `switch shop by alice`. */
export function describeChange({ history, collections }: Change): string {
  // Changes that nobody looks for in a history, such as that of a lease's holder, make no entry.
  if (history.length === 0)
    return flatten(collections)
      .map(([subject]) => subject)
      .join(', ')
  return history.map(({ by, action, service }) => `${action} ${service} by ${by}`).join(', ')
}
