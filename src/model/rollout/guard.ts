import { isDeepStrictEqual } from 'node:util'
import type { Command, Facts, Request } from '../commands.ts'
import type { Draft, Edit } from '../draft.ts'
import type { EventDraft } from '../event-record.ts'
import { describeFreeze, isUnfrozen } from '../freezing.ts'
import type { Refusal } from '../refusal.ts'
import { sameSplit, shareOf } from '../split.ts'
import type { Change, Service, State } from '../state.ts'
import { currentSplit } from '../state.ts'
import { superseded } from './rolling.ts'
import { findRollout, ROLLOUTS, type Rollout, runningRollout } from './rollout.ts'
import { type RolloutChange, rolloutEvents } from './rollout-events.ts'

type Edits = Exclude<Draft, Refusal>

/** Commands that a rollout is made of, and those that leave routing as it is. */
const UNGUARDED: ReadonlySet<Command['kind']> = new Set(['beginRollout', 'moveRollout', 'server', 'mode', 'freeze'])
/** Commands that may return a frozen service to where it was. */
const WAYS_BACK: ReadonlySet<Command['kind']> = new Set(['rollback', 'abandonDeploy'])

/**
 * Refuses a command that changes the routing of a service while a rollout of it runs, or while it is frozen. With `force`
 * it supersedes the rollout.
 */
export function guardRollouts(
  state: State,
  command: Command,
  draft: Edits,
  request: Request,
  facts: Facts,
): Edits | Refusal {
  let guarded = draft
  for (const edit of draft.edits) {
    const frozen = edit.before?.freeze
    if (frozen !== undefined && !request.force && isKeptFrom(command, edit))
      return unsafe(`${edit.service} is ${describeFreeze(frozen)}.`)
    if (UNGUARDED.has(command.kind)) continue
    const running = runningRollout(state, edit.service)
    if (running === null || !disturbs(edit)) continue
    if (!request.force) {
      const what = `Rollout ${running.id} of ${edit.service} to pool ${running.to} is running (${running.state})`
      return unsafe(`${what}: abort it first, or let this request supersede it.`)
    }
    guarded = withSuperseded(state, guarded, edit, facts)
  }
  return guarded
}

function withSuperseded(state: State, draft: Edits, edit: Edit, { nowMs }: Facts): Edits {
  const found = superseded(state, edit, nowMs)
  if (found === null) return draft
  const edits = draft.edits.map((each) => (each === edit ? found.edit : each))
  return { ...draft, edits, collections: { ...draft.collections, ...found.collections } }
}

/** Whether a freeze of the service keeps a command from an edit. */
function isKeptFrom(command: Command, edit: Edit): boolean {
  if (command.kind === 'freeze' || WAYS_BACK.has(command.kind)) return false
  if (command.kind === 'beginRollout') return !command.rollout.forced
  if (command.kind === 'beginDeploy') return true
  if (command.kind !== 'moveRollout') return changesRouting(edit)
  const { rollout } = command
  return (
    !isUnfrozen(edit.before?.freeze, rollout) && canaryShare(edit.after, rollout) > canaryShare(edit.before, rollout)
  )
}

function canaryShare(service: Service | null, { to }: Rollout): number {
  return service === null ? 0 : shareOf(currentSplit(service), to)
}

function changesRouting({ before, after }: Edit): boolean {
  if (before === null || after === null) return true
  return !sameSplit(currentSplit(before), currentSplit(after))
}

/** Whether an edit changes what a rollout depends on. */
function disturbs(edit: Edit): boolean {
  const { before, after } = edit
  return changesRouting(edit) || !isDeepStrictEqual(before?.source, after?.source)
}

function unsafe(detail: string): Refusal {
  return { kind: 'unsafe', detail }
}

/** The events of the rollouts that a change writes. */
export function changedRollouts(
  state: State,
  collections: Change['collections'],
  { at, by, reason, revision, force }: Omit<RolloutChange, 'forced'> & { readonly force: boolean },
): EventDraft[] {
  const written = Object.values(collections?.[ROLLOUTS.collection] ?? {})
  return written.flatMap((document) => {
    if (document === null || !ROLLOUTS.fits(document.value)) return []
    const after: Rollout = document.value
    const before = findRollout(state, after.service, after.id)
    return rolloutEvents(before, after, { at, by, reason, revision, forced: force })
  })
}
