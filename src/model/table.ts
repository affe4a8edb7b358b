import { own } from './names.ts'
import { isOpen, serversOf } from './servers.ts'
import type { Balance, ServiceSpec } from './spec.ts'
import { shareOf } from './split.ts'
import type { Service, State } from './state.ts'
import { currentSplit } from './state.ts'

/** A server as the data plane sees it. */
export interface TableServer {
  readonly key: string
  readonly name: string
  readonly url: string
  readonly weight: number
  /** Requests and tunnels under way at most; 0 = unbounded. */
  readonly maxConnections: number
  /** Takes new requests, as far as people are concerned. */
  readonly open: boolean
  /** Counts as up without being checked. */
  readonly unchecked: boolean
  /** When what is still under way is cut (ms since the epoch); null = never. */
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

/** Everything the data plane needs to route, as plain data: it crosses process borders as one message. */
export interface Table {
  readonly revision: number
  readonly services: readonly TableService[]
}

/** The routing table of a state. */
export function compile(state: State): Table {
  return { revision: state.revision, services: Object.values(state.services).map(compileService) }
}

function compileService(service: Service): TableService {
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
        weight: server.weight,
        maxConnections: server.maxConnections,
        open: isOpen(server),
        unchecked: service.spec.health === null,
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
