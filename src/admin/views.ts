import type { Control } from '../control/control.ts'
import type { Handover, MissingServer } from '../control/handovers.ts'
import { isUsable } from '../control/readiness.ts'
import type { NameInUse } from '../control/server-names.ts'
import type { LastProbe } from '../health/check.ts'
import { onDuty } from '../model/backups.ts'
import { type Deploy, runningDeploy } from '../model/deploys.ts'
import type { LeavingServer } from '../model/leaving.ts'
import { own } from '../model/names.ts'
import { type Rollout, runningRollout } from '../model/rollout/rollout.ts'
import type { Server, ServerFilter } from '../model/servers.ts'
import { drainKeys, getsRequests, serversOf } from '../model/servers.ts'
import type { Split } from '../model/spec.ts'
import { shareOf } from '../model/split.ts'
import type { Freeze, Health, ServerState, Service } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { FleetLoad } from './fleet-load.ts'

/** Data that views need beside the service or server itself. */
export interface ViewContext {
  readonly control: Control
  readonly load: FleetLoad
}

export interface ServerView {
  readonly name: string
  readonly service: string
  readonly pool: string
  readonly url: string
  readonly weight: number
  /** The part of its weight that it has now; absent = all of it. */
  readonly effectiveWeight?: number
  /** Absent = it is none. */
  readonly backup?: true
  /** Absent = no limit. */
  readonly maxConnections?: number
  /** `leaving`: it was removed, and finishes the requests it has. */
  readonly state: ServerState | 'leaving'
  readonly health: Health
  readonly drained: boolean
  readonly inFlight: number
  /** When its requests in flight are cut, ISO 8601; absent = never, or none are left. */
  readonly cutAt?: string
  readonly lastProbe: Omit<LastProbe, 'isLocal'> | null
  /** What is known of its name; absent = its address is not a name. */
  readonly dns?: DnsView
}

/** The name of a server at this instance. */
export interface DnsView extends NameInUse {
  /** The configured server that it was found by; absent = it is a configured one. */
  readonly server?: string
  /** When DNS ceased to have its address, ISO 8601; absent = it has it. */
  readonly vanishedAt?: string
}

export interface PoolView {
  readonly name: string
  readonly version: string
  /** Percent. */
  readonly share: number
  /** It gets no requests, and none is in flight there in the whole fleet. */
  readonly drained: boolean
  readonly inFlight: number
  /** When its requests in flight are cut, ISO 8601; absent = never, or none are left. */
  readonly cutAt?: string
  /** Servers that take requests, as counted by `minReady`: ready, with a weight, up, and no backup that is not needed. */
  readonly up: number
  /** Versions that its servers have reported in the last minute; absent = the service has no versionHeader. */
  readonly reportedVersions?: readonly string[]
  readonly servers: readonly ServerView[]
}

export interface ServiceView {
  readonly name: string
  readonly revision: number
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly split: Split
  readonly mode: 'serving' | 'paused' | 'stopped'
  /** The deploy that waits for its servers; absent = none. */
  readonly deploying?: Pick<Deploy, 'id' | 'pool' | 'by' | 'at'>
  /** The rollout that runs; absent = none. */
  readonly rollout?: Pick<Rollout, 'id' | 'to' | 'state' | 'reason' | 'weight'>
  /** Absent = its routing may be changed. */
  readonly freeze?: Freeze
  readonly pools: readonly PoolView[]
  /** Present while the previous definition serves the requests, since servers of this one are not up yet. */
  readonly handover?: HandoverView
}

export interface HandoverView {
  /** ISO 8601. */
  readonly since: string
  /** When this definition takes over even if its servers are not up, ISO 8601. */
  readonly until: string
  readonly waitsFor: readonly MissingServer[]
}

/** A service as the API shows it. */
export function viewService(viewContext: ViewContext, service: Service): ServiceView {
  const split = currentSplit(service)
  const pools = Object.entries(service.spec.pools).map(([name, { version }]): PoolView => {
    const leaving = leavingOf(viewContext, { service: service.name, pool: name })
    const servers = [
      ...serversOf(service, name).map((server) => viewServer(viewContext, service, server)),
      ...leaving.map((server) => viewLeaving(viewContext, server)),
    ]
    const share = shareOf(split, name) / 100
    const isOut = !getsRequests(service, name)
    const drained =
      isOut && leaving.length === 0 && isIdle(viewContext.control, service, drainKeys(serversOf(service, name)))
    return {
      name,
      version,
      share,
      drained,
      ...viewCut(isOut ? own(service.poolCuts, name) : null, drained),
      inFlight: servers.reduce((sum, server) => sum + server.inFlight, 0),
      up: onDuty(serversOf(service, name).filter((server) => isUsable(viewContext.control, server))).length,
      ...(service.spec.versionHeader === ''
        ? {}
        : { reportedVersions: viewContext.control.appVersions.reportedBy(service.name, name) }),
      servers,
    }
  })
  const { name, revision, spec } = service
  const deploy = runningDeploy(viewContext.control.state, name)
  const rollout = runningRollout(viewContext.control.state, name)
  const whole = Object.fromEntries(pools.map((pool) => [pool.name, pool.share]))
  const handover = viewContext.control.handoverOf(name)
  return {
    name,
    revision,
    hosts: spec.hosts,
    paths: spec.paths,
    split: whole,
    mode: service.mode?.kind ?? 'serving',
    ...(deploy === null ? {} : { deploying: { id: deploy.id, pool: deploy.pool, by: deploy.by, at: deploy.at } }),
    ...(rollout === null ? {} : { rollout: viewRolloutShort(rollout) }),
    ...(service.freeze === undefined ? {} : { freeze: service.freeze }),
    pools,
    ...(handover && { handover: viewHandover(handover) }),
  }
}

function viewRolloutShort({ id, to, state, reason, weight }: Rollout): NonNullable<ServiceView['rollout']> {
  return { id, to, state, reason, weight }
}

function viewHandover({ sinceMs, untilMs, waitsFor }: Handover): HandoverView {
  return { since: new Date(sinceMs).toISOString(), until: new Date(untilMs).toISOString(), waitsFor }
}

export function viewServer({ control, load }: ViewContext, service: Service, server: Server): ServerView {
  const { health, last } = control.health(server.key)
  const share = control.weightShare(server.key)
  const { name, pool, url, weight, backup, maxConnections, state } = server
  const drained = state !== 'ready' && isIdle(control, service, [server.key])
  return {
    name,
    service: service.name,
    pool,
    url,
    weight,
    ...(share === 1 ? {} : { effectiveWeight: weight * share }),
    ...(backup ? { backup } : {}),
    ...(maxConnections === 0 ? {} : { maxConnections }),
    state,
    health,
    drained,
    ...viewCut(server.cutAt, drained),
    inFlight: load.inFlight[server.key] ?? 0,
    lastProbe: last === null ? null : shownProbe(last),
    ...viewDns(control, service, server),
  }
}

function viewCut(cutAt: number | null | undefined, drained: boolean): { readonly cutAt?: string } {
  return typeof cutAt !== 'number' || drained ? {} : { cutAt: new Date(cutAt).toISOString() }
}

/** What a view says of the name of a server; empty for a server without one. */
export function viewDns(
  { names }: Pick<Control, 'names'>,
  service: Service,
  server: Server,
): { readonly dns?: DnsView } {
  const known = names.of(service, server)
  if (known === null) return {}
  const { foundBy, vanishedAtMs } = server
  return {
    dns: {
      ...known,
      ...(foundBy === undefined ? {} : { server: foundBy }),
      ...(vanishedAtMs === undefined ? {} : { vanishedAt: new Date(vanishedAtMs).toISOString() }),
    },
  }
}

/** Servers that were removed and still have or get requests, and that match a filter. */
export function leavingOf({ load }: ViewContext, { service, pool, server }: ServerFilter): readonly LeavingServer[] {
  return load.leaving
    .filter((each) => service === undefined || each.service === service)
    .filter((each) => pool === undefined || each.pool === pool)
    .filter((each) => server === undefined || each.name === server)
}

export function viewLeaving(
  { control, load }: ViewContext,
  { key, service, pool, name, url }: LeavingServer,
): ServerView {
  return {
    name,
    service,
    pool,
    url,
    weight: 0,
    state: 'leaving',
    health: control.healthInForce(key),
    drained: false,
    // An instance has reported requests here; their number may not have arrived yet.
    inFlight: Math.max(1, load.inFlight[key] ?? 0),
    lastProbe: null,
  }
}

export function shownProbe({ isLocal: _internal, ...probe }: LastProbe): ServerView['lastProbe'] {
  return probe
}

function isIdle(control: Control, service: Service, keys: readonly string[]): boolean {
  return control.drains.isIdle(service, keys)
}

/** Requests in flight at a server, by the name of the instance. */
export function byInstance(
  { byInstance: all }: FleetLoad,
  { key }: Pick<Server, 'key'>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(all.map(([name, counts]) => [name, counts[key] ?? 0]))
}
