import type { Command } from './commands.ts'
import { own } from './names.ts'
import type { Refusal } from './refusal.ts'
import type { State } from './state.ts'

/** Whether the result of a command depends on the current split: "the other pool", "the previous decision". */
export function isRelative(command: Command): command is Extract<Command, { kind: 'switch' | 'rollback' }> {
  if (command.kind === 'switch') return command.to === undefined
  return command.kind === 'rollback' && command.revision === undefined
}

/**
 * Refuses a relative command that was decided on the state `seen` but overtaken by another change of the same service;
 * null = the command may be decided again on the state `now`. Without this, two people who roll back at the same time
 * would undo each other's rollback.
 */
export function overtakenRefusal(command: Command, seen: State, now: State): Refusal | null {
  if (!isRelative(command)) return null
  const [before, after] = [own(seen.services, command.service), own(now.services, command.service)]
  if (after === undefined || before?.revision === after.revision) return null
  const detail =
    `Another request changed ${command.service} at the same time (revision ${after.revision}). ` +
    'Check the current split, and name the pool or the revision that you want.'
  return { kind: 'conflict', detail }
}
