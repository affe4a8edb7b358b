import type { Command } from 'commander'
import { addCertificates } from './verbs/certificates.ts'
import { addCompletion } from './verbs/completion.ts'
import { addDeploy } from './verbs/deploy.ts'
import { addDrain } from './verbs/drain.ts'
import { addEnable } from './verbs/enable.ts'
import { addEvents } from './verbs/events.ts'
import { addExplain } from './verbs/explain.ts'
import { addFreeze, addUnfreeze } from './verbs/freeze.ts'
import { addHistory } from './verbs/history.ts'
import { addImport } from './verbs/import.ts'
import { addInit } from './verbs/init.ts'
import { addInstances } from './verbs/instances.ts'
import { addLogs } from './verbs/logs.ts'
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
import { addTop } from './verbs/top.ts'

type Add = (program: Command) => void

/** The verbs in the order of the help. */
const VERBS: readonly (readonly [group: string, verbs: readonly Add[]])[] = [
  ['Where requests go:', [addStatus, addSwitch, addShift, addRollback, addDeploy, addRoll, addRolloutVerbs]],
  ['Servers and services:', [addDrain, addEnable, addPause, addResume, addStop, addFreeze, addUnfreeze]],
  ['What happens:', [addTop, addEvents, addLogs, addHistory, addExplain, addInstances, addCertificates]],
  ['Files and shells:', [addInit, addImport, addOpenapi, addCompletion]],
]

/** Adds the commands that talk to the admin API of a Cutover that runs, and those for files and shells. */
export function addVerbs(program: Command): void {
  for (const [group, verbs] of VERBS) {
    program.commandsGroup(group)
    for (const add of verbs) add(program)
  }
}
