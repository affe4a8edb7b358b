import type { Command, Facts, Request } from '../model/commands.ts'
import { decide } from '../model/decide.ts'
import type { Drain } from '../model/drains.ts'
import { drainsOf } from '../model/drains.ts'
import { own } from '../model/names.ts'
import type { LocalCommand, Override } from '../model/overrides.ts'
import { overridden } from '../model/overrides.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import { isRelative, overtakenRefusal } from '../model/relative.ts'
import type { Change, Documents, Service, ServiceDocument, State } from '../model/state.ts'
import { EMPTY_DOCUMENTS } from '../model/state.ts'
import type { Store } from '../store/store.ts'
import { StoreUnavailable } from '../store/store.ts'
import type { Resolve } from './resolve.ts'
import type { Memory, UnreadableService } from './unreadable.ts'
import { Unreadable, whyUnreadable } from './unreadable.ts'

/** Makes a command from the state it will be decided on; made anew when another change came in between. */
export type CommandMaker = (
  state: State,
  request: Request,
) => { readonly command: Command } | { readonly refusal: Refusal }

export interface Done {
  readonly kind: 'done'
  readonly changed: boolean
  readonly revision: number
  /** What shall come to rest by it. */
  readonly drains: readonly Drain[]
  /** No replica of the store has it yet: it is lost if the primary is lost now. */
  readonly unreplicated: boolean
}

export type Result = Done | { readonly kind: 'refused'; readonly refusal: Refusal }

/** A change that a command comes to, not made yet. */
interface Decided {
  readonly kind: 'change'
  readonly command: Command
  readonly change: Change
}

/** Someone else's changes came first this often in a row: something is wrong with the store. */
const MAX_TRIES = 100
const EMPTY_STATE: State = { ...EMPTY_DOCUMENTS, services: {} }

/**
 * Decides commands over the state and has the store commit them. The state changes in one way only: by what comes back
 * through the store's feed. While the store is away, this instance alone may be overridden.
 */
export class Controller {
  /** What is in force here: the store's state, but for overrides. */
  state: State = EMPTY_STATE
  overrides: readonly Override[] = []
  private stored: State = EMPTY_STATE
  private readonly store: Store
  private readonly resolve: Resolve
  private readonly facts: () => Facts
  private readonly listeners = new Set<(state: State) => void>()
  /** The document that a service was resolved from. */
  private readonly sources = new WeakMap<Service, ServiceDocument>()

  private readonly unreadable: Unreadable

  /** `memory`: of definitions that were readable in a process before this one. */
  constructor(store: Store, resolve: Resolve, facts: () => Facts, memory: Memory | null = null) {
    this.store = store
    this.resolve = resolve
    this.facts = facts
    this.unreadable = new Unreadable(resolve, memory)
  }

  /** Services whose definitions this version cannot read. */
  get cannotFollow(): readonly UnreadableService[] {
    return this.unreadable.services
  }

  /** Reads the state. Throws StoreUnusable. */
  async start(): Promise<void> {
    this.take(await this.store.open())
    this.store.subscribe((documents) => this.take(documents))
  }

  /** Calls `listener` with the state now and after every change. */
  watch(listener: (state: State) => void): void {
    this.listeners.add(listener)
    listener(this.state)
  }

  /**
   * Carries out a command, or says why not. What is answered without a change being made, and what depends on where the
   * traffic goes, is decided on a state that is not older than the call. Throws StoreUnavailable.
   */
  async execute(make: CommandMaker, request: Request): Promise<Result> {
    let seen = this.stored
    let isCurrent = false
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const status = this.store.status()
      // What is known here may be old: nothing is decided on it, not even that nothing is left to change.
      if (!status.up) throw new StoreUnavailable(`the store is away: ${status.detail}`)
      const before = this.stored
      const verdict = this.judge(make, request, before)
      // A commit finds out by itself whether its state is the newest; nothing else does.
      if (!isCurrent && (verdict.kind !== 'change' || isRelative(verdict.command))) {
        await this.store.refresh()
        isCurrent = true
        if (this.stored !== before) {
          seen = this.stored
          continue
        }
      }
      if (verdict.kind !== 'change') return verdict
      const { command, change } = verdict
      const overtaken = overtakenRefusal(command, seen, before)
      if (overtaken !== null) return { kind: 'refused', refusal: overtaken }
      const committed = await this.store.commit(change)
      if (committed === 'stale') continue
      const drains = drainsOf(command, before, this.stored)
      return { ...done(true, change.revision, drains), unreplicated: committed === 'unreplicated' }
    }
    throw new StoreUnavailable(`others were first, ${MAX_TRIES} times in a row`)
  }

  /** What a command comes to on `state`: a change to be committed, or the result without one. */
  private judge(make: CommandMaker, request: Request, state: State): Result | Decided {
    const made = make(state, request)
    if ('refusal' in made) return { kind: 'refused', refusal: made.refusal }
    const { command } = made
    const outcome = decide(state, command, request, this.facts())
    switch (outcome.kind) {
      case 'refused':
        return outcome
      case 'repeated':
        return done(true, outcome.revision, drainsOf(command, state, state))
      case 'unchanged':
        return done(false, state.revision, drainsOf(command, state, state))
      case 'change': {
        const refusal = this.cannotDecide(command, outcome.change)
        return refusal === null ? { ...outcome, command } : { kind: 'refused', refusal }
      }
    }
  }

  /** What is decided by an old definition may make no sense by the new one. Removing a service, or writing it whole, does. */
  private cannotDecide({ kind }: Command, { services }: Change): Refusal | null {
    if (kind === 'define' || kind === 'remove' || kind === 'configure') return null
    const service = Object.keys(services).flatMap((name) => this.unreadable.find(name) ?? [])[0]
    if (service === undefined) return null
    const { name } = service
    const detail =
      `This instance cannot read the definition of ${name} (${whyUnreadable(service)}): a newer version has written it. ` +
      'Ask an instance that can, see cannotFollow in GET /api/instances, or upgrade this one.'
    return { kind: 'conflict', detail }
  }

  /** Carries out a command on this instance alone; no revision is made. */
  executeHere(command: LocalCommand, request: Request): Result {
    const before = this.state
    const facts = this.facts()
    const outcome = decide(before, command, request, facts)
    if (outcome.kind === 'refused') return outcome
    const { by, reason } = request
    if (outcome.kind === 'change') this.override([...this.overrides, { atMs: facts.nowMs, by, reason, command }])
    return done(outcome.kind === 'change', before.revision, drainsOf(command, before, this.state))
  }

  /** Sets what is overridden here, in the order it was said; nothing = what the store says is in force here, too. */
  override(overrides: readonly Override[]): void {
    if (overrides.length === 0 && this.overrides.length === 0) return
    this.overrides = overrides
    this.enforce()
  }

  /** Services that have not changed keep the specification they have. */
  private take(documents: Documents): void {
    const services: [string, Service][] = []
    const unreadable: [ServiceDocument, readonly Problem[]][] = []
    for (const [name, document] of Object.entries(documents.services)) {
      const known = own(this.stored.services, name)
      if (known !== undefined && this.sources.get(known) === document) {
        services.push([name, known])
        continue
      }
      const resolved = this.resolve(name, document.source)
      if (resolved.ok) {
        const service = { ...document, spec: resolved.spec }
        this.sources.set(service, document)
        services.push([name, service])
      } else unreadable.push([document, resolved.problems])
    }
    const readable = services.map(([, service]) => service)
    const others = this.unreadable.follow(unreadable, this.stored.services, readable)
    for (const service of others) services.push([service.name, service])
    this.stored = { ...documents, services: Object.fromEntries(services) }
    this.enforce()
  }

  private enforce(): void {
    this.state = overridden(this.stored, this.overrides)
    for (const listener of this.listeners) listener(this.state)
  }
}

function done(changed: boolean, revision: number, drains: readonly Drain[]): Done {
  return { kind: 'done', changed, revision, drains, unreplicated: false }
}
