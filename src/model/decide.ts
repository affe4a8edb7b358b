import type { Command, Facts, Outcome, Request } from './commands.ts'
import { configure, define } from './definitions.ts'
import { abandonDeploy, beginDeploy, finishDeploy } from './deploying.ts'
import type { Draft } from './draft.ts'
import { unknown } from './draft.ts'
import { setFreeze } from './freezing.ts'
import { earlierWrite, keyedBy, keyRefusal } from './keyed.ts'
import { own } from './names.ts'
import { setMode } from './pausing.ts'
import { safetyProblem } from './ready.ts'
import type { Refusal } from './refusal.ts'
import { changedRollouts, guardRollouts } from './rollout/guard.ts'
import { beginRollout, moveRollout } from './rollout/rolling.ts'
import { rollback, setSplit, shift, switchTo } from './routing.ts'
import { changeServers } from './server-state.ts'
import { findServers } from './servers.ts'
import { documentOf, type HistoryEntry, type Service, type ServiceDocument, type State } from './state.ts'
import { firstStickyKey } from './sticky-key.ts'
import { describeUnserved, unservedBy } from './unserved.ts'

/** Routing decisions kept per service for rollbacks. */
const MAX_DECISIONS = 50

/** Decides what a command changes. Pure: the same state, command and facts give the same outcome. */
export function decide(state: State, command: Command, request: Request, facts: Facts): Outcome {
  const earlier = earlierWrite(state, request, facts)
  if (earlier !== null) {
    const refusal = keyRefusal(earlier, request)
    return refusal === null ? { kind: 'repeated', revision: earlier.revision } : { kind: 'refused', refusal }
  }
  const draft = draftOf(state, command, facts)
  if ('kind' in draft) return { kind: 'refused', refusal: draft }
  const moved = movedRefusal(state, command, request)
  if (moved !== null) return { kind: 'refused', refusal: moved }
  const guarded = guardRollouts(state, command, draft, request, facts)
  if ('kind' in guarded) return { kind: 'refused', refusal: guarded }
  const refusal = unsafeRefusal(state, guarded, request, facts)
  if (refusal !== null) return { kind: 'refused', refusal }
  const { edits, configuration, notes = [] } = guarded
  if (edits.length === 0 && configuration === undefined && guarded.collections === undefined)
    return { kind: 'unchanged' }

  const revision = state.revision + 1
  const at = new Date(facts.nowMs).toISOString()
  const services = Object.fromEntries(
    edits.map(({ service, before, after }) => [service, after === null ? null : revised(after, before, revision)]),
  )
  const history = [...edits, ...notes].map(({ action, service, from, to }): HistoryEntry => {
    const { by, reason, force } = request
    return { revision, at, by, reason, action, service, from, to, forced: force }
  })
  const changed = edits.map(({ after }) => after)
  const collections = { ...guarded.collections, ...firstStickyKey(state, changed, facts.secret, revision) }
  // A deploy is remembered by the change that completes it: if it fails, a repetition tries again.
  const keyed = command.kind === 'beginDeploy' ? undefined : keyedBy(state, request, facts)
  const events = changedRollouts(state, guarded.collections, { at, revision, ...request })
  const rest = {
    ...(events.length === 0 ? {} : { events }),
    ...(Object.keys(collections).length === 0 ? {} : { collections }),
    ...(configuration && { configuration }),
    ...(keyed && { keyed }),
  }
  return { kind: 'change', change: { revision, at, services, history, ...rest } }
}

function draftOf(state: State, command: Command, facts: Facts): Draft {
  if (command.kind === 'configure') return configure(state, command.services, command.configuration)
  if (command.kind === 'server') return changeServers(state, command, facts)
  if (command.kind === 'define') {
    return { edits: define(state, command.service, command.definition, command.action) }
  }
  const service = own(state.services, command.service)
  if (command.kind === 'abandonDeploy')
    return abandonDeploy(state, command.service, service, command.id, command.definition)
  if (command.kind === 'moveRollout') return moveRollout(state, service, command.rollout)
  if (service === undefined && command.kind === 'remove' && isLeaving(command.service, facts)) return { edits: [] }
  if (service === undefined) return unknown('service', command.service, Object.keys(state.services))
  switch (command.kind) {
    case 'remove':
      return {
        edits: [
          { before: service, after: null, service: service.name, action: 'delete', from: service.source, to: null },
        ],
      }
    case 'switch':
      return switchTo(service, command.to, command.drainMs, facts)
    case 'shift':
      return shift(service, command.to, command.percent)
    case 'split':
      return setSplit(service, command.split)
    case 'mode':
      return setMode(service, command.mode)
    case 'freeze':
      return setFreeze(service, command.freeze)
    case 'beginRollout':
      return beginRollout(state, service, command.rollout, command.replace, facts)
    case 'beginDeploy':
      return beginDeploy(state, service, command)
    case 'finishDeploy':
      return finishDeploy(state, service, command.id, command.drainMs, facts)
    case 'rollback':
      return rollback(service, command.revision, state.revision)
  }
}

/** Whether a service that was removed still has requests in flight. */
function isLeaving(service: string, { leaving = [] }: Facts): boolean {
  return leaving.some((key) => key.startsWith(`${service}/`))
}

/** Returns the document of a service after this revision; stamps new decisions with the revision. */
function revised(after: Service, before: Service | null, revision: number): ServiceDocument {
  const document = documentOf(after)
  const decisions = after.decisions
    .map((decision, i) => (i < (before?.decisions.length ?? 0) ? decision : { ...decision, revision }))
    .slice(-MAX_DECISIONS)
  return { ...document, revision, decisions }
}

function movedRefusal(state: State, command: Command, request: Request): Refusal | null {
  if (request.ifMatch === null) return null
  const revisions = touched(state, command).map((service) => service.revision)
  // A missing service has no revision of its own; it may have existed when the caller read the state.
  const actual = revisions.length === 0 ? state.revision : Math.max(...revisions)
  if (actual <= request.ifMatch && request.ifMatch <= state.revision) return null
  return { kind: 'moved', expected: request.ifMatch, actual }
}

/** The services a command names, whether or not it changes them. */
function touched(state: State, command: Command): Service[] {
  const services = Object.values(state.services)
  if (command.kind === 'configure') return services
  if (command.kind !== 'server') return services.filter((service) => service.name === command.service)
  return [...new Set(findServers(state, command).map(({ service }) => service))]
}

function unsafeRefusal(
  state: State,
  { edits, unsafe }: Exclude<Draft, Refusal>,
  request: Request,
  facts: Facts,
): Refusal | null {
  if (request.force) return null
  if (unsafe !== undefined) return { kind: 'unsafe', detail: unsafe }
  for (const { before, after } of edits) {
    const detail = before === null || after === null ? null : safetyProblem(before, after, facts)
    if (detail !== null) return { kind: 'unsafe', detail }
  }
  const unserved = unservedBy(state, edits)
  return unserved.length === 0 ? null : { kind: 'unsafe', detail: describeUnserved(unserved) }
}
