import type { HandoverRecord } from '../model/fleet.ts'
import type { Services } from '../model/handover.ts'
import type { ToProxy } from '../model/messages.ts'
import { withCanaryClosed } from '../model/rollout/close-canary.ts'
import { serviceChanges } from '../model/service-changes.ts'
import type { Service, State } from '../model/state.ts'
import { EMPTY_DOCUMENTS } from '../model/state.ts'
import { stickyKeyOf } from '../model/sticky-key.ts'
import type { TableChange, TableService } from '../model/table.ts'
import { compileService, tableChange, wholeTable } from '../model/table.ts'
import { LongTimer } from '../time/long-timer.ts'
import type { Generations } from './generations.ts'
import { describeWait } from './handover-record.ts'
import type { HandoverEvent, KeptDefinitions } from './handovers.ts'
import { Handovers } from './handovers.ts'
import type { HealthBook } from './health-book.ts'

/** Returns the services that the proxies have in force from a previous control process; `state`: the current state. */
export type ServicesInForce = (state: State) => {
  readonly services: Services
  readonly since: KeptDefinitions['since']
}

export interface RoutingTablesOptions {
  readonly health: HealthBook
  readonly generations: Generations
  /** Sends a message to all proxies. */
  readonly send: (message: ToProxy) => void
  /** Milliseconds since the epoch, by the store's clock. */
  readonly nowMs: () => number
  /** Decrypts the stored key of sticky cookies; null = this instance cannot. */
  readonly openStickyKey: (stored: string) => string | null
  /** null = the proxies serve no requests yet. */
  readonly inForce: ServicesInForce | null
  readonly onHandover: (event: HandoverEvent) => void
  /** Called with the definitions that are kept while others wait, before they are in force. */
  readonly onKept: (kept: KeptDefinitions) => void
}

/**
 * Makes the tables that are sent to the proxies: of the services of the state, and of the previous definitions of those
 * that wait for their servers.
 */
export class RoutingTables {
  readonly handovers: Handovers
  private readonly options: RoutingTablesOptions
  /** Whether proxies serve requests. */
  private isServing: boolean
  private isOverridden = false
  private wanted: State = { ...EMPTY_DOCUMENTS, services: {} }
  /** The state of the last table, with the services as they are in force. */
  private followed = this.wanted
  private timer: LongTimer | null = null
  /** Compiled services with the current key of sticky cookies, cached by service object. */
  private cache = new WeakMap<Service, TableService>()
  /** Ids of the rollouts whose canaries get no requests here. */
  private closed: ReadonlySet<string> = new Set()

  constructor(options: RoutingTablesOptions) {
    const { health, nowMs, inForce, onHandover: onEvent } = options
    this.options = options
    this.isServing = inForce !== null
    this.handovers = new Handovers({ health, now: () => performance.now(), nowMs, onEvent })
  }

  /** Begins with the services that the proxies have in force, if there are any. `state`: the current state. */
  resume(state: State): void {
    const { inForce, health } = this.options
    if (inForce === null) return
    const { services, since } = inForce(state)
    this.handovers.resume(services, since)
    const before = this.followed
    this.followed = { ...before, services }
    // Their health is known once the proxies are attached; until then, they count as undecided.
    health.follow(serviceChanges(before, this.followed))
  }

  /** Follows a new state. `isOverridden`: it has local overrides. */
  follow(state: State, isOverridden: boolean): void {
    if (stickyKeyOf(this.wanted) !== stickyKeyOf(state)) this.cache = new WeakMap()
    this.wanted = state
    this.isOverridden = isOverridden
    this.handovers.follow(state.services, this.isServing)
    this.update()
  }

  /** Puts the definitions in force that do not wait any more; called when health has changed. */
  advance(): void {
    if (this.handovers.advance()) this.update()
    else this.setTimer()
  }

  /** Sends all requests of these rollouts to their stable pools, whatever the state says. */
  closeCanaries(rollouts: ReadonlySet<string>): void {
    const changed = Object.values(this.followed.services).filter(
      ({ rollout }) => rollout !== undefined && this.closed.has(rollout.id) !== rollouts.has(rollout.id),
    )
    this.closed = rollouts
    if (changed.length === 0) return
    for (const service of changed) this.cache.delete(service)
    this.update(changed)
  }

  /** Sends a table that changes nothing. Returns its generation. */
  again(): number {
    this.update()
    return this.options.generations.current
  }

  /** Returns the whole table, for a proxy that has none. Proxies serve requests from then on. */
  whole(): TableChange {
    this.isServing = true
    return wholeTable(this.followed, this.options.generations.current, this.compiled)
  }

  /** The services in force. */
  get services(): Services {
    return this.followed.services
  }

  /** The services whose definitions wait, if a generation is in force. */
  handoversIn(generation: number): Readonly<Record<string, HandoverRecord>> {
    const names = [...this.options.generations.handingOverIn(generation)]
    return Object.fromEntries(names.map((name) => [name, describeWait(name, this.handovers.of(name))]))
  }

  stop(): void {
    this.timer?.cancel()
  }

  /**
   * Sends the difference between the last table and the services that are to be in force. `recompiled`: services that are
   * sent although they are the same.
   */
  private update(recompiled: readonly Service[] = []): void {
    const { health, generations, send, nowMs, onKept } = this.options
    const { inForce, handingOver } = this.handovers
    const state = { ...this.wanted, services: inForce }
    const changes = serviceChanges(this.followed, state)
    this.followed = state
    if (this.isServing) onKept(this.handovers.kept())
    const known = health.follow(changes)
    // After that, so that servers that are in force now go on with the checks that they had.
    this.handovers.prepare()
    const generation = generations.begin(state, changes.changed, this.isOverridden, handingOver)
    const sent = { ...changes, changed: [...new Set([...changes.changed, ...recompiled])] }
    send({ type: 'table', change: tableChange(sent, generation, this.compiled), health: known, nowMs: nowMs() })
    this.setTimer()
  }

  private setTimer(): void {
    this.timer?.cancel()
    const nextAt = this.handovers.nextAt()
    this.timer = nextAt === null ? null : new LongTimer(nextAt - performance.now(), () => this.advance()).unref()
  }

  private stickyKey(): string | null {
    const stored = stickyKeyOf(this.wanted)
    return stored === null ? null : this.options.openStickyKey(stored)
  }

  private readonly compiled = (service: Service): TableService => {
    const known = this.cache.get(service)
    if (known !== undefined) return known
    const compiled = compileService(service, this.stickyKey())
    const table = this.closed.has(service.rollout?.id ?? '') ? withCanaryClosed(compiled) : compiled
    this.cache.set(service, table)
    return table
  }
}
