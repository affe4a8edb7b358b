import type { KeptDefinitions } from '../control/handovers.ts'
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
  /** Definitions in force that are not those of the state, as JSON; null = there are none. */
  readonly kept: string | null
}

/** Message of the control process about its state: the whole of it, one change, or the definitions that are kept. */
export type StateMessage =
  | { readonly type: 'state'; readonly base: string }
  | { readonly type: 'kept'; readonly kept: string | null }
  | { readonly type: 'stateChange'; readonly change: string }

/** Changes may add up to the length of `base` or this, whichever is more, before the whole state is sent again. */
const MIN_CHANGES_LENGTH = 1 << 20

/** The supervisor's side: stores the copy. */
export class KeptState {
  #base: string | null = null
  #changes: string[] = []
  #kept: string | null = null

  take(message: StateMessage): void {
    if (message.type === 'kept') this.#kept = message.kept
    else if (message.type === 'state') {
      this.#base = message.base
      this.#changes = []
    } else this.#changes.push(message.change)
  }

  /** The copy; null = no control process has sent its state yet. */
  get copy(): StateCopy | null {
    return this.#base === null ? null : { base: this.#base, changes: this.#changes, kept: this.#kept }
  }
}

/** The control process's side: sends every state to the supervisor before the state is in force. */
export class StateSender {
  readonly #send: (message: StateMessage) => void
  /** The state that the supervisor has; null = none. */
  #head: string | null
  #baseLength: number
  #changesLength: number
  #kept: string | null

  /** `kept`: the supervisor's copy from a previous control process; `head`: the head of that state. null = none. */
  constructor(send: (message: StateMessage) => void, kept: StateCopy | null, head: string | null) {
    this.#send = send
    this.#head = head
    this.#baseLength = kept?.base.length ?? 0
    this.#changesLength = lengthOf(kept?.changes ?? [])
    this.#kept = kept?.kept ?? null
  }

  /** Sends the definitions that are in force in place of those of the state. */
  keep(definitions: KeptDefinitions): void {
    const kept = Object.keys(definitions.services).length === 0 ? null : JSON.stringify(definitions)
    if (kept === this.#kept) return
    this.#kept = kept
    this.#send({ type: 'kept', kept })
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
export function readCopy({ base, changes }: Pick<StateCopy, 'base' | 'changes'>): Snapshot {
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

/** Parses the definitions that were in force in place of those of the state. */
export function readKept({ kept }: StateCopy): KeptDefinitions {
  return kept === null ? { services: {}, since: {} } : (JSON.parse(kept) as KeptDefinitions)
}

function lengthOf(texts: readonly string[]): number {
  return texts.reduce((sum, { length }) => sum + length, 0)
}
