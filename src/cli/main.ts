import type { Command } from 'commander'
import { addRolloutVerbs } from './verbs/rollout.ts'

/** Adds the commands that talk to the admin API of a Cutover that runs. */
export function addVerbs(program: Command): void {
  addRolloutVerbs(program)
}
