import type { Command } from 'commander'
import { addDeploy } from './verbs/deploy.ts'
import { addDrain } from './verbs/drain.ts'
import { addEnable } from './verbs/enable.ts'
import { addExplain } from './verbs/explain.ts'
import { addHistory } from './verbs/history.ts'
import { addInstances } from './verbs/instances.ts'
import { addOpenapi } from './verbs/openapi.ts'
import { addPause } from './verbs/pause.ts'
import { addResume } from './verbs/resume.ts'
import { addRoll } from './verbs/roll.ts'
import { addRollback } from './verbs/rollback.ts'
import { addRolloutVerbs } from './verbs/rollout.ts'
import { addShift } from './verbs/shift.ts'
import { addStatus } from './verbs/status.ts'
import { addStop } from './verbs/stop.ts'
import { addSwitch } from './verbs/switch.ts'

/** The verbs in the order of the help. */
const VERBS: readonly ((program: Command) => void)[] = [
  addStatus,
  addSwitch,
  addShift,
  addRollback,
  addDeploy,
  addRoll,
  addRolloutVerbs,
  addDrain,
  addEnable,
  addPause,
  addResume,
  addStop,
  addHistory,
  addExplain,
  addInstances,
  addOpenapi,
]

/** Adds the commands that talk to the admin API of a Cutover that runs. */
export function addVerbs(program: Command): void {
  for (const add of VERBS) add(program)
}
