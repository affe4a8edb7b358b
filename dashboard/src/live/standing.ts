import type { Pool, Service, ServiceStats } from '../../../src/client/create-client.ts'
import { counted, percent, share } from '../format.ts'

/** How bad something is; the worst first. */
export type Level = 'bad' | 'warn' | 'info' | 'ok'

/** Something about a service that somebody should see. */
export interface Remark {
  readonly level: Level
  readonly text: string
}

const RANK: Readonly<Record<Level, number>> = { bad: 0, warn: 1, info: 2, ok: 3 }
/** shop-2 comes before shop-10. */
const NAMES = new Intl.Collator('en', { numeric: true })
/** Share of failed requests from which a service needs a look. */
const ERRORS = { warn: 0.005, bad: 0.05 }
/** Rollouts that have ended. */
const OVER = new Set(['Succeeded', 'Aborted', 'Superseded'])

/** All there is to say about a service, the worst first; empty = all is well. */
export function remarksOf(service: Service, stats: ServiceStats | undefined): readonly Remark[] {
  return [...modeRemarks(service), ...serverRemarks(service), ...errorRemarks(stats), ...workRemarks(service)].sort(
    (a, b) => RANK[a.level] - RANK[b.level],
  )
}

export function levelOf(remarks: readonly Remark[]): Level {
  return remarks[0]?.level ?? 'ok'
}

/** Sorts services: those with problems first, then by name. */
export function byUrgency(a: { name: string; level: Level }, b: { name: string; level: Level }): number {
  return urgency(a.level) - urgency(b.level) || NAMES.compare(a.name, b.name)
}

/** A rollout or a freeze is no reason to change places. */
function urgency(level: Level): number {
  return Math.min(RANK[level], RANK.info)
}

/** Servers that are meant to take requests. */
export function readyServers({ servers }: Pool) {
  return servers.filter(({ state }) => state === 'ready')
}

/** Requests in flight at a pool or server. The figures, which are read more often, may be a little older than what is drained. */
export function inFlightOf(
  { drained, inFlight }: Pick<Pool, 'drained' | 'inFlight'>,
  figures: { readonly inFlight: number } | undefined,
): number {
  return drained ? 0 : (figures?.inFlight ?? inFlight)
}

/** Whether a rollout has ended. */
export function isOver({ state }: { readonly state: string }): boolean {
  return OVER.has(state)
}

export function runningRollout({ rollout }: Service) {
  return rollout !== undefined && !isOver(rollout) ? rollout : null
}

function* modeRemarks({ mode, leftOut = [], stale }: Service): Generator<Remark> {
  if (mode === 'stopped') yield { level: 'bad', text: 'stopped: requests are refused' }
  if (mode === 'paused') yield { level: 'warn', text: 'paused: requests are held' }
  if (leftOut.length > 0) yield { level: 'warn', text: `out of touch: ${leftOut.join(', ')}` }
  if (stale) yield { level: 'warn', text: 'the store is away' }
}

function* serverRemarks({ pools }: Service): Generator<Remark> {
  for (const pool of pools) {
    const ready = readyServers(pool)
    const down = ready.filter(({ health }) => health === 'down' || health === 'ejected')
    if (pool.share > 0 && pool.up === 0) yield { level: 'bad', text: `${pool.name}: no server is up` }
    else if (down.length > 0) {
      const text = `${pool.name}: ${counted(down.length, 'server')} of ${ready.length} down`
      yield { level: pool.share > 0 ? 'warn' : 'info', text }
    }
    const draining = pool.servers.filter(({ state, inFlight }) => state === 'drain' && inFlight > 0)
    if (draining.length > 0) yield { level: 'info', text: `${counted(draining.length, 'server')} draining` }
  }
}

function* errorRemarks(stats: ServiceStats | undefined): Generator<Remark> {
  const { errorRate = null } = stats ?? {}
  if (errorRate === null || errorRate < ERRORS.warn) return
  yield { level: errorRate < ERRORS.bad ? 'warn' : 'bad', text: `${share(errorRate)} of the requests fail` }
}

function* workRemarks(service: Service): Generator<Remark> {
  const { freeze, deploying, handover, overrides = [] } = service
  const rollout = runningRollout(service)
  if (rollout !== null) {
    const isPaused = rollout.state === 'Paused'
    const text = `rollout to ${rollout.to}: ${rollout.state}${rollout.reason === null ? '' : ` (${rollout.reason})`}, ${percent(rollout.weight)}`
    yield { level: isPaused ? 'warn' : 'info', text }
  }
  if (deploying) yield { level: 'info', text: `deploy to ${deploying.pool} waits for its servers` }
  if (handover) yield { level: 'warn', text: 'the previous definition serves until the new servers are up' }
  if (freeze) yield { level: 'info', text: `frozen by ${freeze.by}` }
  if (overrides.length > 0) yield { level: 'warn', text: `${counted(overrides.length, 'instance')} with overrides` }
}
