import type { StoreTrouble } from './store.ts'
import type { Tell } from './tell.ts'

/**
 * `writes`: the store refuses changes. `contents`: the store loses data that was written to it. `lastKnown`: the file
 * that an instance starts from while Redis is away cannot be written; changes are still made.
 */
export type TroubleKind = 'writes' | 'contents' | 'lastKnown'

const BEGINS: Readonly<Record<TroubleKind, string>> = {
  writes: 'the store takes no changes',
  contents: 'the store does not keep the state',
  lastKnown: 'the last known state cannot be written',
}
const ENDS: Readonly<Record<TroubleKind, string>> = {
  writes: 'the store takes changes again',
  contents: 'the store keeps the state again',
  lastKnown: 'the last known state is written again',
}

/** The troubles of a store that can be read. Logs a line when a trouble begins, changes or ends. */
export class Troubles {
  readonly #tell: Tell
  readonly #onChange: () => void
  readonly #byKind = new Map<TroubleKind, StoreTrouble>()

  /** `onChange`: called after a trouble has begun or ended. */
  constructor(tell: Tell, onChange: () => void) {
    this.#tell = tell
    this.#onChange = onChange
  }

  /** `detail`: the cause and the remedy. */
  set(kind: TroubleKind, detail: string): void {
    const known = this.#byKind.get(kind)
    if (known?.detail === detail) return
    const since = known?.since ?? new Date()
    this.#byKind.set(kind, { detail, since, stopsWrites: kind !== 'lastKnown' })
    this.#tell(kind === 'lastKnown' ? 'warn' : 'error', `${BEGINS[kind]}: ${detail}`)
    if (known === undefined) this.#onChange()
  }

  clear(kind: TroubleKind): void {
    if (!this.#byKind.delete(kind)) return
    this.#tell('info', ENDS[kind])
    this.#onChange()
  }

  get(kind: TroubleKind): StoreTrouble | null {
    return this.#byKind.get(kind) ?? null
  }

  list(): readonly StoreTrouble[] {
    return [...this.#byKind.values()]
  }
}
