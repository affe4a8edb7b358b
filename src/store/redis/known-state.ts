import { flatten } from '../../model/collections.ts'
import type { Change, Documents, HistoryEntry } from '../../model/state.ts'
import { applyChange, EMPTY_DOCUMENTS } from '../../model/state.ts'
import { Feed } from '../feed.ts'
import { History } from '../history.ts'
import type { HistoryQuery } from '../store.ts'
import { headInRedis } from './redis-documents.ts'

/** Max number of past states that are remembered. */
const REMEMBERED = 1_000

/** A past state of this instance. */
interface Passed {
  readonly revision: number
  /** Description of the change that made it. */
  readonly what: string
}

/** The state as this instance knows it, with its history and the states before it. */
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

  /** The head as written in Redis. */
  get head(): string {
    return headInRedis(this.documents)
  }

  /** Sets the initial state, without telling listeners. */
  begin(documents: Documents, history: readonly HistoryEntry[]): void {
    this.documents = documents
    this.#history = new History(history)
  }

  /** Replaces the history. `history`: oldest first. */
  remember(history: readonly HistoryEntry[]): void {
    this.#history = new History(history)
    this.#onChange()
  }

  /** Whether a head is that of this state or of a remembered one before it. */
  has(head: string): boolean {
    return this.#passed.has(head) || head === this.documents.head
  }

  history(query: HistoryQuery): readonly HistoryEntry[] {
    return this.#history.newest(query)
  }

  /**
   * The known history, the oldest entry of each service first. `newest`: max entries of each service, the newest ones.
   */
  historyEntries(newest = Number.POSITIVE_INFINITY): readonly HistoryEntry[] {
    if (newest === Number.POSITIVE_INFINITY) return this.#history.entries(this.documents)
    return this.#history.newestOfEach(this.documents, newest)
  }

  /** Applies a change to `base`; does nothing if `base` is no longer the current state. */
  follow(base: Documents, head: string, change: Change): void {
    if (this.documents !== base) return
    this.#history.record(change)
    this.become(applyChange(base, change, head), describeChange(change), change)
  }

  /** Replaces the documents. `what`: description of the cause; `change`: null = the difference is unknown. */
  become(documents: Documents, what: string, change: Change | null): void {
    this.documents = documents
    this.#passed.delete(documents.head)
    this.#passed.set(documents.head, { revision: documents.revision, what })
    const [oldest] = this.#passed.keys()
    if (this.#passed.size > REMEMBERED && oldest !== undefined) this.#passed.delete(oldest)
    this.#onChange()
    this.feed.tell(documents, change)
  }

  /**
   * Removes and returns the remembered states that are not among `heads`, the history of another state, newest first.
   */
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
  // Changes of no interest to operators, such as that of a lease's holder, have no history entry.
  if (history.length === 0)
    return flatten(collections)
      .map(([subject]) => subject)
      .join(', ')
  return history.map(({ by, action, service }) => `${action} ${service} by ${by}`).join(', ')
}
