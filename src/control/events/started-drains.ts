import type { EventDraft, OpenedFact } from '../../model/event-record.ts'
import { eventRecord } from '../../model/events.ts'
import { own } from '../../model/names.ts'
import { drainKeys, getsRequests, type Server, serversOf } from '../../model/servers.ts'
import type { Change, Service, ServiceDocument, State } from '../../model/state.ts'
import type { Resolve } from '../resolve.ts'

/** What drains: a server, or a pool whose `server` is null. */
export interface DrainedPlace {
  readonly service: string
  readonly pool: string
  readonly server: string | null
}

const SUBJECT = 'drain '

/** Identifies a drain while it lasts. */
function subjectOf({ service, pool, server }: DrainedPlace): string {
  return `${SUBJECT}${service}/${pool}${server === null ? '' : `/${server}`}`
}

/** Whether an open fact is a drain. */
export function isDrain(subject: string): boolean {
  return subject.startsWith(SUBJECT)
}

/** A `drain.started` for each server and pool that gets no new requests any more by a change to `before`. */
export function startedDrains(change: Change, before: State, resolve: Resolve): EventDraft[] {
  const [entry] = change.history
  if (entry === undefined) return []
  const { at, revision } = change
  const { by, reason } = entry
  const start = (place: DrainedPlace, why: string, keys: readonly string[], cutAt: number | null): EventDraft => {
    const after = { why, cutAt: cutAt === null ? null : new Date(cutAt).toISOString() }
    const opens: OpenedFact = { subject: subjectOf(place), keys }
    return { event: eventRecord({ type: 'drain.started', at, by, reason, revision, ...place, after }), opens }
  }
  return Object.entries(change.services).flatMap(([name, document]) => {
    const was = own(before.services, name)
    if (was === undefined) return []
    const is = document === null ? null : serviceOf(was, document, resolve)
    // A definition that this version cannot read is refused, or is another version's.
    if (is === undefined) return []
    const pools = Object.keys(is?.spec.pools ?? {}).flatMap((pool) => {
      if (is === null || !getsRequests(was, pool) || getsRequests(is, pool)) return []
      const keys = drainKeys(serversOf(is, pool))
      return [start({ service: name, pool, server: null }, 'split', keys, is.poolCuts[pool] ?? null)]
    })
    const now = new Map(is === null ? [] : serversOf(is).map((server) => [server.key, server]))
    const servers = serversOf(was).flatMap((server) => {
      const place = { service: name, pool: server.pool, server: server.name }
      if (server.closed !== undefined) return []
      const after = now.get(server.key)
      if (after === undefined) return [start(place, 'removed', [server.key], null)]
      const { state, cutAt } = after
      return isStoppedBy(server, state) ? [start(place, state, [server.key], cutAt)] : []
    })
    return [...pools, ...servers]
  })
}

/** The `drain.finished` that ends a drain. */
export function finishedDrain(subject: string, { started, outcome, at }: FinishedDrain): EventDraft {
  const { service, pool, server, after, by, reason, revision } = started
  const about = { service, pool, server, by, reason, revision }
  return {
    event: eventRecord({ type: 'drain.finished', at, ...about, before: after, after: { outcome } }),
    closes: subject,
  }
}

interface FinishedDrain {
  readonly started: EventDraft['event']
  /** `drained`: nothing is in flight there in the whole fleet; `reopened`: it takes new requests again. */
  readonly outcome: 'drained' | 'reopened'
  readonly at: string
}

function isStoppedBy(server: Server, state: Server['state']): boolean {
  return server.state === 'ready' && state !== 'ready'
}

function serviceOf(was: Service, document: ServiceDocument, resolve: Resolve): Service | undefined {
  const discovered = was.discovered === undefined ? {} : { discovered: was.discovered }
  if (document.source === was.source) return { ...document, spec: was.spec, ...discovered }
  const resolved = resolve(document.name, document.source)
  return resolved.ok ? { ...document, spec: resolved.spec, ...discovered } : undefined
}
