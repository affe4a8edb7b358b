import type { Change, Documents } from '../model/state.ts'
import { applyChange } from '../model/state.ts'
import type { Snapshot, Store } from '../store/store.ts'

/**
 * The state of a control process as its supervisor keeps it, so that the next one knows no less than the workers serve,
 * whatever has become of the store. It is text that the supervisor does not read.
 */
export interface StateCopy {
  readonly base: string
  /** What came after it, oldest first. */
  readonly changes: readonly string[]
}

/** What the control process says about its state: all of it, or what has changed. */
export type StateMessage =
  | { readonly type: 'state'; readonly base: string }
  | { readonly type: 'stateChange'; readonly change: string }

/** Changes may take as much as the state itself, or this, before all of it is told again. */
const MIN_CHANGES_LENGTH = 1 << 20

/** The supervisor's end. */
export class KeptState {
  #base: string | null = null
  #changes: string[] = []

  take(message: StateMessage): void {
    if (message.type === 'state') {
      this.#base = message.base
      this.#changes = []
    } else this.#changes.push(message.change)
  }

  /** null = no control process has told its state yet. */
  get copy(): StateCopy | null {
    return this.#base === null ? null : { base: this.#base, changes: this.#changes }
  }
}

/** The control process's end: tells the supervisor every state before it is in force. */
export class StateTeller {
  readonly #say: (message: StateMessage) => void
  /** The state that the supervisor has; null = none. */
  #head: string | null
  #baseLength: number
  #changesLength: number

  /** `kept`: what the supervisor has from a control process before this one, and `head`: which state that is. */
  constructor(say: (message: StateMessage) => void, kept: StateCopy | null, head: string | null) {
    this.#say = say
    this.#head = head
    this.#baseLength = kept?.base.length ?? 0
    this.#changesLength = lengthOf(kept?.changes ?? [])
  }

  /** The store has come to a state. `change`: the one that led to it; null = it is not known. */
  tell(store: Pick<Store, 'documents' | 'snapshot'>, change: Change | null): void {
    const { head } = store.documents()
    if (head === this.#head) return
    const follows = change !== null && this.#head !== null
    this.#head = head
    if (follows) {
      const text = JSON.stringify({ head, change })
      this.#changesLength += text.length
      if (this.#changesLength <= Math.max(MIN_CHANGES_LENGTH, this.#baseLength)) {
        this.#say({ type: 'stateChange', change: text })
        return
      }
    }
    const base = JSON.stringify(store.snapshot())
    this.#baseLength = base.length
    this.#changesLength = 0
    this.#say({ type: 'state', base })
  }
}

/** The state of a copy. */
export function readCopy({ base, changes }: StateCopy): Snapshot {
  const start = JSON.parse(base) as Snapshot
  const steps = changes.map((text) => JSON.parse(text) as { readonly head: string; readonly change: Change })
  return {
    documents: steps.reduce(
      (documents: Documents, { head, change }) => applyChange(documents, change, head),
      start.documents,
    ),
    history: [...start.history, ...steps.flatMap(({ change }) => change.history)],
  }
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length, 0)
}
