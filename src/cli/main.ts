import type { Command } from 'commander'
import { addImport } from './verbs/import.ts'
import { addRolloutVerbs } from './verbs/rollout.ts'

/** Adds the commands beside `run` and `check`, most of which talk to the admin API of a Cutover that runs. */
export function addVerbs(program: Command): void {
  addRolloutVerbs(program)
  addImport(program)
}
