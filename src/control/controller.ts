import type { Command, Facts, Request } from '../model/commands.ts'
import { decide } from '../model/decide.ts'
import type { Drain } from '../model/drains.ts'
import { drainsOf } from '../model/drains.ts'
import { own } from '../model/names.ts'
import type { LocalCommand, Override } from '../model/overrides.ts'
import { overridden } from '../model/overrides.ts'
import type { Problem, Refusal } from '../model/refusal.ts'
import { isRelative, overtakenRefusal } from '../model/relative.ts'
import { findServers } from '../model/servers.ts'
import type { Change, Documents, Service, ServiceDocument, State } from '../model/state.ts'
import { EMPTY_DOCUMENTS } from '../model/state.ts'
import type { CommitOutcome, Store } from '../store/store.ts'
import { StoreUnavailable } from '../store/store.ts'
import { startedDrains } from './events/started-drains.ts'
import type { Resolve } from './resolve.ts'
import type { Memory, UnreadableService } from './unreadable.ts'
import { UnreadableServices, whyUnreadable } from './unreadable.ts'

/** Makes a command for the state it will be decided on; called again if another change was committed first. */
export type CommandMaker = (
  state: State,
  request: Request,
  facts: Facts,
) => { readonly command: Command } | { readonly refusal: Refusal }

export interface Done {
  readonly kind: 'done'
  readonly changed: boolean
  readonly revision: number
  /** Pools and servers that the command drains. */
  readonly drains: readonly Drain[]
  /** Names of the services that the command is about; null = all. */
  readonly services: readonly string[] | null
  /** An earlier request with the same Idempotency-Key made the change. */
  readonly repeated?: true
  /** No replica of the store has confirmed the change: it is lost if the primary fails now. */
  readonly unreplicated: boolean
}

export type Result = Done | { readonly kind: 'refused'; readonly refusal: Refusal }

/** A command and the change that it results in, not committed yet. */
interface Decided {
  readonly kind: 'change'
  readonly command: Command
  readonly change: Change
}

/** Commits a change; `fenced`: the lease under which it was to be made is held by another instance. */
export type Commit = (change: Change) => Promise<CommitOutcome | 'fenced'>

const FENCED: Refusal = { kind: 'conflict', detail: 'Another instance has taken over meanwhile.' }
/** Max attempts to commit while changes of other instances come first; more mean that the store is faulty. */
const MAX_TRIES = 100
const EMPTY_STATE: State = { ...EMPTY_DOCUMENTS, services: {} }

/**
 * Decides commands on the state and commits them to the store. The state changes only by what the store's feed
 * delivers. While the store is away, commands may be carried out on this instance alone, as overrides.
 */
export class Controller {
  /** The state in force at this instance: the stored state with the overrides applied. */
  state: State = EMPTY_STATE
  overrides: readonly Override[] = []
  /** The state without overrides, as last received from the store. */
  private stored: State = EMPTY_STATE
  private readonly store: Store
  private readonly resolve: Resolve
  private readonly facts: () => Facts
  private readonly listeners = new Set<(state: State) => void>()
  /** The document that each service was resolved from. */
  private readonly sources = new WeakMap<Service, ServiceDocument>()

  private readonly unreadable: UnreadableServices

  private readonly attach: (service: Service) => Service

  /**
   * `memory`: definitions that were readable in the previous process of this instance. `attach`: adds to a service what
   * this instance alone knows of it.
   */
  constructor(
    store: Store,
    resolve: Resolve,
    facts: () => Facts,
    memory: Memory | null = null,
    attach: (service: Service) => Service = (service) => service,
  ) {
    this.attach = attach
    this.store = store
    this.resolve = resolve
    this.facts = facts
    this.unreadable = new UnreadableServices(resolve, memory)
  }

  /** Services whose definitions this version cannot read. */
  get cannotFollow(): readonly UnreadableService[] {
    return this.unreadable.services
  }

  /** Whether a service is as the store has it, without an override. */
  isStored(service: Service): boolean {
    return own(this.stored.services, service.name) === service
  }

  /** Reads the state and follows the store's feed. Throws StoreUnusable. */
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
   * Carries out a command, or returns a refusal. Results without a change, and relative commands, are decided on a
   * state that is not older than the call. `commit`: by default that of the store. Throws StoreUnavailable.
   */
  async execute(
    make: CommandMaker,
    request: Request,
    commit: Commit = (change) => this.store.commit(change),
  ): Promise<Result> {
    let seen = this.stored
    let isCurrent = false
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const status = this.store.status()
      // The known state may be old: it is no basis for a decision, not even for "nothing to change".
      if (!status.up) throw new StoreUnavailable(`the store is away: ${status.detail}`)
      const before = this.stored
      const verdict = this.judge(make, request, before)
      // Only a commit verifies that its state is the newest; for everything else, read the store first.
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
      const committed = await commit(change)
      if (committed === 'stale') continue
      if (committed === 'fenced') return { kind: 'refused', refusal: FENCED }
      const drains = this.drainsOf(command, before, this.stored)
      return {
        ...done(true, change.revision, drains, servicesOf(command, before)),
        unreplicated: committed === 'unreplicated',
      }
    }
    throw new StoreUnavailable(`changes of other instances came first, ${MAX_TRIES} times in a row`)
  }

  /** Decides a command on `state`: returns a change to commit, or a result without a change. */
  private judge(make: CommandMaker, request: Request, state: State): Result | Decided {
    const facts = this.facts()
    const made = make(state, request, facts)
    if ('refusal' in made) return { kind: 'refused', refusal: made.refusal }
    const { command } = made
    const outcome = decide(state, command, request, facts)
    switch (outcome.kind) {
      case 'refused':
        return outcome
      case 'repeated':
        return {
          ...done(true, outcome.revision, this.drainsOf(command, state, state), servicesOf(command, state)),
          repeated: true,
        }
      case 'unchanged':
        return done(false, state.revision, this.drainsOf(command, state, state), servicesOf(command, state))
      case 'change': {
        const refusal = this.cannotDecide(command, outcome.change)
        if (refusal !== null) return { kind: 'refused', refusal }
        const { events = [] } = outcome.change
        const all = [...events, ...startedDrains(outcome.change, state, this.resolve)]
        const change = all.length === 0 ? outcome.change : { ...outcome.change, events: all }
        return { kind: 'change', change, command }
      }
    }
  }

  private drainsOf(command: Command, before: State, after: State): Drain[] {
    return drainsOf(command, before, after, this.facts().leaving)
  }

  /** Refuses changes to a service whose definition cannot be read, except those that remove it or define it anew. */
  private cannotDecide({ kind }: Command, { services }: Change): Refusal | null {
    if (kind === 'define' || kind === 'remove' || kind === 'configure') return null
    const service = Object.keys(services).flatMap((name) => this.unreadable.find(name) ?? [])[0]
    if (service === undefined) return null
    const { name } = service
    const detail =
      `This instance cannot read the definition of ${name} (${whyUnreadable(service)}): a newer version wrote it. ` +
      'Send the request to an instance that can read it (see cannotFollow in GET /api/instances), or upgrade this one.'
    return { kind: 'conflict', detail }
  }

  /** Carries out a command on this instance alone, as an override; makes no revision. */
  executeHere(command: LocalCommand, request: Request): Result {
    const before = this.state
    const facts = this.facts()
    const outcome = decide(before, command, request, facts)
    if (outcome.kind === 'refused') return outcome
    const { by, reason } = request
    if (outcome.kind === 'change') this.override([...this.overrides, { atMs: facts.nowMs, by, reason, command }])
    const drains = this.drainsOf(command, before, this.state)
    return done(outcome.kind === 'change', before.revision, drains, servicesOf(command, before))
  }

  /** Sets the overrides of this instance, oldest first; empty = the stored state is in force. */
  override(overrides: readonly Override[]): void {
    if (overrides.length === 0 && this.overrides.length === 0) return
    this.overrides = overrides
    this.enforce()
  }

  /** Takes new documents from the store. Services whose document is unchanged stay the same object. */
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
        const service = this.attach({ ...document, spec: resolved.spec })
        this.sources.set(service, document)
        services.push([name, service])
      } else unreadable.push([document, resolved.problems])
    }
    const readable = services.map(([, service]) => service)
    const others = this.unreadable.follow(unreadable, this.stored.services, readable)
    for (const service of others) services.push([service.name, this.attach(service)])
    this.stored = { ...documents, services: Object.fromEntries(services) }
    this.enforce()
  }

  /** Attaches anew what this instance alone knows of these services; makes no revision. */
  reattach(names: readonly string[]): void {
    const services = new Map(Object.entries(this.stored.services))
    for (const name of names) {
      const known = services.get(name)
      if (known === undefined) continue
      const service = this.attach(known)
      const document = this.sources.get(known)
      if (document !== undefined) this.sources.set(service, document)
      services.set(name, service)
    }
    this.stored = { ...this.stored, services: Object.fromEntries(services) }
    this.enforce()
  }

  private enforce(): void {
    this.state = overridden(this.stored, this.overrides)
    for (const listener of this.listeners) listener(this.state)
  }
}

/** Names of the services that a command is about; null = all. */
function servicesOf(command: Command, state: State): readonly string[] | null {
  if (command.kind === 'configure') return null
  if (command.kind !== 'server') return [command.service]
  return findServers(state, command).map(({ service }) => service.name)
}

function done(changed: boolean, revision: number, drains: readonly Drain[], services: Done['services']): Done {
  return { kind: 'done', changed, revision, drains, services, unreplicated: false }
}
