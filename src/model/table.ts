import { isDeepStrictEqual } from 'node:util'
import { own } from './names.ts'
import type { ServiceRollout, TableRollout } from './rollout/table-rollout.ts'
import { addressIn, type ServerAddress } from './server-address.ts'
import { getsRequests, isStandby, serversOf, takesNew } from './servers.ts'
import type { ServiceChanges } from './service-changes.ts'
import type { ServiceMode } from './service-mode.ts'
import type { Balance, ServiceSpec } from './spec.ts'
import { shareOf } from './split.ts'
import type { Service, State } from './state.ts'
import { currentSplit } from './state.ts'
import { stickyKeyOf, stickyValue } from './sticky-key.ts'
import { NO_POLICIES, type TrafficPolicies } from './traffic-policies.ts'

/** A server as the data plane sees it. */
export interface TableServer extends ServerAddress {
  readonly key: string
  readonly name: string
  readonly weight: number
  /** Gets requests only while no other server of its pool is up. */
  readonly backup: boolean
  /** Max requests and tunnels in flight; 0 = unlimited. */
  readonly maxConnections: number
  /** Whether it takes new requests, whatever its health. */
  readonly open: boolean
  /**
   * Only in the stable pool of a rollout: the server takes no requests because the pool has no share, and would take
   * some if it had one. With `open`, the fuse of the rollout has opened it. Absent = no.
   */
  readonly standby?: true
  /** When requests in flight are cut, ms since the epoch by the store's clock; null = never. */
  readonly cutAt: number | null
  /** Value of the cookie that keeps clients on this server; absent = the service is not sticky. */
  readonly sticky?: string
}

export interface TablePool {
  readonly name: string
  readonly version: string
  /** Share of the service's requests in hundredths of a percent, 0 to 10,000. */
  readonly share: number
  readonly servers: readonly TableServer[]
}

export interface TableService {
  readonly name: string
  /** Revision of the routing decision in force. */
  readonly decision: number
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly stripPrefix: boolean
  readonly balance: Balance
  /** Absent = none. */
  readonly traffic?: TrafficPolicies
  /** See `ServiceSpec`; absent = none. */
  readonly versionHeader?: string
  readonly panic: ServiceSpec['panic']
  readonly retry: ServiceSpec['retry']
  readonly timeouts: ServiceSpec['timeouts']
  readonly connections: ServiceSpec['connections']
  readonly drain: ServiceSpec['drain']
  readonly pools: readonly TablePool[]
  /** Absent = its requests are served. */
  readonly mode?: ServiceMode
  /** Absent = no rollout runs. */
  readonly rollout?: TableRollout
}

/** The routing table: everything a proxy needs to route requests, as plain data. */
export interface Table {
  /**
   * Number of the table among those that control has sent out, from 1. Not the revision of the state, which may stay
   * the same for different tables, or go back when a store has lost changes.
   */
  readonly generation: number
  readonly services: readonly TableService[]
}

/** The difference between two tables, sent to proxies as one message. */
export interface TableChange extends Table {
  /** The generation that it changes; null = none: `services` is the whole table. */
  readonly base: number | null
  /** Names of services that were removed. */
  readonly removed: readonly string[]
}

/** Returns the whole table of a state, for a proxy that has none. */
export function wholeTable(
  state: State,
  generation: number,
  compiled = (service: Service) => compileService(service, stickyKeyOf(state)),
): TableChange {
  const services = Object.values(state.services).map((service) => compiled(service))
  return { base: null, generation, services, removed: [] }
}

/** Returns the change from the table of the previous generation to this one. */
export function tableChange(
  changes: ServiceChanges,
  generation: number,
  compiled: (service: Service) => TableService,
): TableChange {
  const services = changes.changed.map((service) => compiled(service))
  return { base: generation - 1, generation, services, removed: changes.removed }
}

/** Compiles a service to its entry in the table. `stickyKey`: of the sticky cookies; null = there is none. */
export function compileService(service: Service, stickyKey: string | null = null): TableService {
  const { hosts, paths, stripPrefix, balance, panic, retry, timeouts, connections, drain } = service.spec
  const traffic = trafficOf(service)
  const split = currentSplit(service)
  const pools = Object.entries(service.spec.pools).map(([name, { version }]): TablePool => {
    const share = shareOf(split, name)
    const poolCut = getsRequests(service, name) ? null : (own(service.poolCuts, name) ?? null)
    const servers = serversOf(service, name).flatMap((server): TableServer | [] => {
      if (server.closed === 'unresolved') return []
      return {
        key: server.key,
        name: server.name,
        ...addressIn(server),
        weight: server.weight,
        backup: server.backup,
        maxConnections: server.maxConnections,
        open: takesNew(service, server),
        ...(service.rollout?.from === name && isStandby(service, server) ? { standby: true } : {}),
        cutAt: earliest(server.cutAt, poolCut),
        ...(traffic.sticky && stickyKey !== null
          ? { sticky: stickyValue(stickyKey, service.name, name, server.name) }
          : {}),
      }
    })
    return { name, version, share, servers }
  })
  const policies = isDeepStrictEqual(traffic, NO_POLICIES) ? {} : { traffic }
  const decision = service.decisions.at(-1)?.revision ?? 0
  const routing = { name: service.name, decision, hosts, paths, stripPrefix, balance, ...policies, panic }
  const { versionHeader } = service.spec
  const reporting = versionHeader === '' ? {} : { versionHeader }
  const mode = service.mode === undefined ? {} : { mode: service.mode }
  const rollout = service.rollout === undefined ? {} : { rollout: tableRollout(service.rollout) }
  return { ...routing, retry, timeouts, connections, drain, pools, ...reporting, ...mode, ...rollout }
}

/** The policies of a service together with those of its rollout, which come first. */
function trafficOf({ spec: { traffic }, rollout }: Service): TrafficPolicies {
  if (rollout === undefined || (rollout.routes.length === 0 && rollout.mirror === null)) return traffic
  return { ...traffic, routes: [...rollout.routes, ...traffic.routes], mirror: rollout.mirror ?? traffic.mirror }
}

function tableRollout({ id, from, to, fuse }: ServiceRollout): TableRollout {
  return { id, from, to, fuse }
}

function earliest(a: number | null, b: number | null): number | null {
  return a === null ? b : b === null ? a : Math.min(a, b)
}
