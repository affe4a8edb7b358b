import type { Command } from './commands.ts'
import { own } from './names.ts'
import type { Refusal } from './refusal.ts'
import type { State } from './state.ts'

/** Whether what a command does depends on where the traffic goes now: the other pool, the decision before this one. */
export function isRelative(command: Command): command is Extract<Command, { kind: 'switch' | 'rollback' }> {
  if (command.kind === 'switch') return command.to === undefined
  return command.kind === 'rollback' && command.revision === undefined
}

/**
 * Why a command that was decided on the state `seen`, and lost its revision to another change, is not decided anew on the
 * state `now`; null = it is. Two people who roll back at once want the same, and not to undo each other.
 */
export function overtakenRefusal(command: Command, seen: State, now: State): Refusal | null {
  if (!isRelative(command)) return null
  const [before, after] = [own(seen.services, command.service), own(now.services, command.service)]
  if (after === undefined || before?.revision === after.revision) return null
  const detail =
    `Somebody else has changed ${command.service} at the same moment (revision ${after.revision}). ` +
    'Look at it, and say where the traffic shall go.'
  return { kind: 'conflict', detail }
}
