import type { Command, Facts, Request } from '../model/commands.ts'
import { decide } from '../model/decide.ts'
import type { Drain } from '../model/drains.ts'
import { drainsOf } from '../model/drains.ts'
import { own } from '../model/names.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import type { ServiceSpec } from '../model/spec.ts'
import type { Documents, JsonObject, Service, State } from '../model/state.ts'
import type { Store } from '../store/store.ts'

/** How a definition becomes a specification; its face in `config`. */
export type Resolve = (
  name: string,
  source: JsonObject,
) => { readonly ok: true; readonly spec: ServiceSpec } | { readonly ok: false; readonly problems: readonly Problem[] }

/** Makes a command from the state it will be decided on; made anew when another change came in between. */
export type CommandMaker = (state: State) => { readonly command: Command } | { readonly refusal: Refusal }

export type Result =
  | {
      readonly kind: 'done'
      readonly changed: boolean
      readonly revision: number
      /** What shall come to rest by it. */
      readonly drains: readonly Drain[]
    }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/** A definition in the store that this version cannot make sense of; its service is left out. */
export interface InvalidService {
  readonly name: string
  readonly problems: readonly Problem[]
}

/** Someone else's changes came first this often in a row: something is wrong with the store. */
const MAX_TRIES = 100

/**
 * Decides commands over the state and has the store commit them. The state changes in one way only: by what comes back
 * through the store's feed.
 */
export class Controller {
  state: State = { revision: 0, configuration: null, services: {} }
  invalid: readonly InvalidService[] = []
  private readonly store: Store
  private readonly resolve: Resolve
  private readonly facts: () => Facts
  private readonly listeners = new Set<(state: State) => void>()

  constructor(store: Store, resolve: Resolve, facts: () => Facts) {
    this.store = store
    this.resolve = resolve
    this.facts = facts
  }

  /** Reads the state. Throws StoreUnusable. */
  async start(): Promise<void> {
    this.take(await this.store.open())
    this.store.subscribe((_change, documents) => this.take(documents))
  }

  /** Calls `listener` with the state now and after every change. */
  watch(listener: (state: State) => void): void {
    this.listeners.add(listener)
    listener(this.state)
  }

  /** Carries out a command, or says why not. Throws StoreUnavailable; nothing was changed then. */
  async execute(make: CommandMaker, request: Request): Promise<Result> {
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const before = this.state
      const made = make(before)
      if ('refusal' in made) return { kind: 'refused', refusal: made.refusal }
      const outcome = decide(before, made.command, request, this.facts())
      if (outcome.kind === 'refused') return outcome
      const changed = outcome.kind === 'change'
      if (changed && (await this.store.commit(outcome.change)) === 'stale') continue
      const revision = changed ? outcome.change.revision : before.revision
      return { kind: 'done', changed, revision, drains: drainsOf(made.command, before, this.state) }
    }
    throw new Error(`no revision could be won in ${MAX_TRIES} tries`)
  }

  /** Services that have not changed keep the specification they have. */
  private take(documents: Documents): void {
    const services: [string, Service][] = []
    const invalid: InvalidService[] = []
    for (const [name, document] of Object.entries(documents.services)) {
      const known = own(this.state.services, name)
      if (known?.revision === document.revision) {
        services.push([name, known])
        continue
      }
      const resolved = this.resolve(name, document.source)
      if (resolved.ok) services.push([name, { ...document, spec: resolved.spec }])
      else invalid.push({ name, problems: resolved.problems })
    }
    const { revision, configuration } = documents
    this.state = { revision, configuration, services: Object.fromEntries(services) }
    this.invalid = invalid
    for (const listener of this.listeners) listener(this.state)
  }
}
