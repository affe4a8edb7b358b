import type { ControlHalf } from '../control/control-half.ts'
import type { LastProbe } from '../health/check.ts'
import type { Server } from '../model/servers.ts'
import { serversOf } from '../model/servers.ts'
import type { Split } from '../model/spec.ts'
import { shareOf } from '../model/split.ts'
import type { Health, ServerState, Service } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { UnderWay } from './under-way.ts'

/** What a view is made from, beside the thing itself. */
export interface Sight {
  readonly control: ControlHalf
  readonly underWay: UnderWay
}

export interface ServerView {
  readonly name: string
  readonly service: string
  readonly pool: string
  readonly url: string
  readonly weight: number
  /** Absent = unbounded. */
  readonly maxConnections?: number
  readonly state: ServerState
  readonly health: Health
  readonly drained: boolean
  readonly inFlight: number
  readonly lastProbe: Omit<LastProbe, 'isLocal'> | null
}

export interface PoolView {
  readonly name: string
  readonly version: string
  /** Percent. */
  readonly share: number
  readonly drained: boolean
  readonly inFlight: number
  /** Servers that take requests: ready, of some weight, and found up; what `minReady` counts. */
  readonly up: number
  readonly servers: readonly ServerView[]
}

export interface ServiceView {
  readonly name: string
  readonly revision: number
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly split: Split
  readonly mode: 'serving'
  readonly pools: readonly PoolView[]
}

/** A service as the API shows it. */
export function viewService(sight: Sight, service: Service): ServiceView {
  const split = currentSplit(service)
  const pools = Object.entries(service.spec.pools).map(([name, { version }]): PoolView => {
    const servers = serversOf(service, name).map((server) => viewServer(sight, service, server))
    const share = shareOf(split, name) / 100
    return {
      name,
      version,
      share,
      drained: share === 0 && isIdle(sight.control, service, serversOf(service, name)),
      inFlight: servers.reduce((sum, server) => sum + server.inFlight, 0),
      up: servers.filter(({ state, weight, health }) => state === 'ready' && weight > 0 && health === 'up').length,
      servers,
    }
  })
  const { name, revision, spec } = service
  const whole = Object.fromEntries(pools.map((pool) => [pool.name, pool.share]))
  return { name, revision, hosts: spec.hosts, paths: spec.paths, split: whole, mode: 'serving', pools }
}

export function viewServer({ control, underWay }: Sight, service: Service, server: Server): ServerView {
  const { health, last } = control.health(server.key)
  const { name, pool, url, weight, maxConnections, state } = server
  return {
    name,
    service: service.name,
    pool,
    url,
    weight,
    ...(maxConnections === 0 ? {} : { maxConnections }),
    state,
    health,
    drained: state !== 'ready' && isIdle(control, service, [server]),
    inFlight: underWay.inFlight[server.key] ?? 0,
    lastProbe: last === null ? null : shownProbe(last),
  }
}

function shownProbe({ at, ok, status, ms, error }: LastProbe): ServerView['lastProbe'] {
  return { at, ok, status, ms, error }
}

function isIdle(control: ControlHalf, service: Service, servers: readonly Server[]): boolean {
  return control.isIdle(
    service,
    servers.map((server) => server.key),
  )
}

/** How many requests each instance of the fleet has under way at a server, by the instance's name. */
export function byInstance({ byInstance: all }: UnderWay, { key }: Server): Readonly<Record<string, number>> {
  return Object.fromEntries(all.map(([name, counts]) => [name, counts[key] ?? 0]))
}
