import type { Command } from 'commander'
import { addGet } from './rollout/get.ts'
import { addLint } from './rollout/lint.ts'
import { addList } from './rollout/list.ts'
import { addMoves } from './rollout/moves.ts'
import { addSimulate } from './rollout/simulate.ts'
import { addStart } from './rollout/start.ts'
import { addStatus } from './rollout/status.ts'

/** `cutover rollout …`: rollouts that are judged by the traffic they route. */
export function addRolloutVerbs(program: Command): void {
  const rollout = program
    .command('rollout')
    .description('roll out a pool step by step, judged by its traffic; see docs/rollouts.md')
    .addHelpText('after', '\nAn ID that is left out is that of the newest rollout of the service.')
  for (const add of [addStart, addLint, addList, addGet, addStatus, addMoves, addSimulate]) add(rollout)
}
