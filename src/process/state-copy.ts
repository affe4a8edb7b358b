import type { Change, Documents } from '../model/state.ts'
import { applyChange } from '../model/state.ts'
import type { Snapshot, Store } from '../store/store.ts'

/**
 * A copy of the control process's state that the supervisor keeps for the next control process, which so starts with at
 * least the state that the workers serve, even if the store has lost it. The supervisor does not parse the texts.
 */
export interface StateCopy {
  /** The whole state, as JSON. */
  readonly base: string
  /** Changes after `base`, as JSON, oldest first. */
  readonly changes: readonly string[]
}

/** Message of the control process about its state: the whole of it, or one change. */
export type StateMessage =
  | { readonly type: 'state'; readonly base: string }
  | { readonly type: 'stateChange'; readonly change: string }

/** Changes may add up to the length of `base` or this, whichever is more, before the whole state is sent again. */
const MIN_CHANGES_LENGTH = 1 << 20

/** The supervisor's side: stores the copy. */
export class KeptState {
  #base: string | null = null
  #changes: string[] = []

  take(message: StateMessage): void {
    if (message.type === 'state') {
      this.#base = message.base
      this.#changes = []
    } else this.#changes.push(message.change)
  }

  /** The copy; null = no control process has sent its state yet. */
  get copy(): StateCopy | null {
    return this.#base === null ? null : { base: this.#base, changes: this.#changes }
  }
}

/** The control process's side: sends every state to the supervisor before the state is in force. */
export class StateSender {
  readonly #send: (message: StateMessage) => void
  /** The state that the supervisor has; null = none. */
  #head: string | null
  #baseLength: number
  #changesLength: number

  /** `kept`: the supervisor's copy from a previous control process; `head`: the head of that state. null = none. */
  constructor(send: (message: StateMessage) => void, kept: StateCopy | null, head: string | null) {
    this.#send = send
    this.#head = head
    this.#baseLength = kept?.base.length ?? 0
    this.#changesLength = lengthOf(kept?.changes ?? [])
  }

  /** Sends the store's new state. `change`: the change that led to it; null = unknown. */
  update(store: Pick<Store, 'documents' | 'snapshot'>, change: Change | null): void {
    const { head } = store.documents()
    if (head === this.#head) return
    const follows = change !== null && this.#head !== null
    this.#head = head
    if (follows) {
      const text = JSON.stringify({ head, change })
      this.#changesLength += text.length
      if (this.#changesLength <= Math.max(MIN_CHANGES_LENGTH, this.#baseLength)) {
        this.#send({ type: 'stateChange', change: text })
        return
      }
    }
    const base = JSON.stringify(store.snapshot())
    this.#baseLength = base.length
    this.#changesLength = 0
    this.#send({ type: 'state', base })
  }
}

/** Parses a copy. */
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
