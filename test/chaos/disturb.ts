import { setTimeout as delay } from 'node:timers/promises'
import type { Fault } from './faults/fault.ts'
import { fillDisk, lockFolder, removeFolder, rewriteFile } from './faults/files.ts'
import { cutRedis, dropConnections, freezeRedis, skewClock } from './faults/network.ts'
import { killAll, killControl, killSupervisor, killWorker, stopControl, stopWorker } from './faults/processes.ts'
import { fillMemory, flushAll, flushScripts, killRedis, sleepRedis, spoilKeys, stopRedis } from './faults/redis.ts'
import { type Kind, LANE_NAMES, type Plan, type Step } from './plan.ts'
import type { Stage } from './stage.ts'

const FAULTS: Readonly<Record<Kind, Fault>> = {
  killWorker,
  killControl,
  killSupervisor,
  killAll,
  stopControl,
  stopWorker,
  cutRedis,
  freezeRedis,
  dropConnections,
  skewClock,
  killRedis,
  stopRedis,
  flushAll,
  flushScripts,
  spoilKeys,
  fillMemory,
  sleepRedis,
  removeFolder,
  lockFolder,
  fillDisk,
  rewriteFile,
}

/** Carries out a plan, or what of it begins within `mostMs`; resolves, with the faults by kind, when all is undone. */
export async function disturb(
  stage: Stage,
  plan: Plan,
  mostMs: number,
  signal: AbortSignal,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  const since = performance.now()
  const lanes = LANE_NAMES.map(async (lane) => {
    for (const step of plan[lane]) {
      await delay(step.pauseMs)
      if (signal.aborted || performance.now() - since > mostMs) return
      counts[step.kind] = (counts[step.kind] ?? 0) + 1
      await carryOut(stage, step)
    }
  })
  await Promise.all(lanes)
  return counts
}

async function carryOut(stage: Stage, step: Step): Promise<void> {
  const isTrouble = step.lane !== 'processes'
  if (isTrouble) {
    stage.troubles++
    stage.inTrouble++
  }
  stage.ledger.disturbances++
  await FAULTS[step.kind](stage, step)
  if (isTrouble) stage.inTrouble--
}
