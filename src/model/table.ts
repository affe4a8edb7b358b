import { own } from './names.ts'
import { isOpen, serversOf } from './servers.ts'
import type { ServiceChanges } from './service-changes.ts'
import type { Balance, ServerTls, ServiceSpec } from './spec.ts'
import { shareOf } from './split.ts'
import type { Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** A server as the data plane sees it. */
export interface TableServer {
  readonly key: string
  readonly name: string
  readonly url: string
  readonly tls?: ServerTls
  readonly weight: number
  /** Requests and tunnels under way at most; 0 = unbounded. */
  readonly maxConnections: number
  /** Takes new requests, as far as people are concerned. */
  readonly open: boolean
  /** When what is still under way is cut (ms since the epoch, by the store's clock); null = never. */
  readonly cutAt: number | null
}

export interface TablePool {
  readonly name: string
  readonly version: string
  /** Hundredths of a percent, 0 to 10,000. */
  readonly share: number
  readonly servers: readonly TableServer[]
}

export interface TableService {
  readonly name: string
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly stripPrefix: boolean
  readonly balance: Balance
  readonly panic: ServiceSpec['panic']
  readonly retry: ServiceSpec['retry']
  readonly timeouts: ServiceSpec['timeouts']
  readonly connections: ServiceSpec['connections']
  readonly drain: ServiceSpec['drain']
  readonly pools: readonly TablePool[]
}

/** Everything the data plane needs to route, as plain data. */
export interface Table {
  /**
   * Which table this is of those that a control half has handed out, counted from 1. Not the revision of the state: that
   * may stay the same, or go back when a store has lost changes, while the table is another one.
   */
  readonly generation: number
  readonly services: readonly TableService[]
}

/** What makes one table out of another: it crosses process borders as one message. */
export interface TableChange extends Table {
  /** The generation it starts from; null = from nothing: `services` are all there are. */
  readonly base: number | null
  /** Names of services that are no more. */
  readonly removed: readonly string[]
}

/** The whole routing table of a state, for whoever has none. */
export function wholeTable(state: State, generation: number, compiled = compileService): TableChange {
  const services = Object.values(state.services).map((service) => compiled(service))
  return { base: null, generation, services, removed: [] }
}

/** From the table of the generation before to this one. */
export function tableChange(changes: ServiceChanges, generation: number, compiled = compileService): TableChange {
  const services = changes.changed.map((service) => compiled(service))
  return { base: generation - 1, generation, services, removed: changes.removed }
}

/** A service of the table. */
export function compileService(service: Service): TableService {
  const { hosts, paths, stripPrefix, balance, panic, retry, timeouts, connections, drain } = service.spec
  const split = currentSplit(service)
  const pools = Object.entries(service.spec.pools).map(([name, { version }]): TablePool => {
    const share = shareOf(split, name)
    const poolCut = share > 0 ? null : (own(service.poolCuts, name) ?? null)
    const servers = serversOf(service, name).map(
      (server): TableServer => ({
        key: server.key,
        name: server.name,
        url: server.url,
        ...(server.tls === undefined ? {} : { tls: server.tls }),
        weight: server.weight,
        maxConnections: server.maxConnections,
        open: isOpen(server),
        cutAt: earliest(server.cutAt, poolCut),
      }),
    )
    return { name, version, share, servers }
  })
  return { name: service.name, hosts, paths, stripPrefix, balance, panic, retry, timeouts, connections, drain, pools }
}

function earliest(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}
