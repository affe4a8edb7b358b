import { monotonicMs } from '../../support/monotonic.ts'
import { clientPortsAt, hasStopped, type ProcessOf } from '../../support/processes.ts'
import { until } from '../../support/redis.ts'
import type { Seat } from '../../support/seat.ts'
import type { Step } from '../plan.ts'
import type { Stage } from '../stage.ts'
import { lasts, seatOf } from './fault.ts'

/** A worker that hangs for longer may be taken for one that will never come back. */
const HUNG_MS = 9_000
const TRIES = 60

/** Kills a worker; what it held is known, since it is stopped first. */
export async function killWorker(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  const worker = await stopOne(stage, seat, 'worker', step)
  if (worker === null) return
  const ports = portsOf(seat, worker)
  stage.ledger.note(`worker ${worker.pid} of ${seat.name} is killed, with ${ports.size} connections`)
  stage.casualties.worker(seat.name, ports, monotonicMs())
  process.kill(worker.pid, 'SIGKILL')
}

export async function stopWorker(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  const worker = await stopOne(stage, seat, 'worker', step)
  if (worker === null) return
  const ports = portsOf(seat, worker)
  if (step.lastsMs >= HUNG_MS) stage.casualties.worker(seat.name, ports, monotonicMs(), 'worker hung')
  stage.ledger.note(`worker ${worker.pid} of ${seat.name} hangs, with ${ports.size} connections`)
  await lasts(step)
  goOn(worker)
  stage.ledger.note(`worker ${worker.pid} of ${seat.name} goes on`)
}

export async function stopControl(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  const control = await stopOne(stage, seat, 'control', step)
  if (control === null) return
  stage.ledger.note(`the control process of ${seat.name} hangs`)
  await lasts(step)
  goOn(control)
  stage.ledger.note(`the control process of ${seat.name} goes on`)
}

export async function killControl(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  const [control] = seat.processes('control')
  if (control === undefined) return
  stage.ledger.note(`the control process of ${seat.name} is killed`)
  process.kill(control.pid, 'SIGKILL')
}

/** The others have to end with their supervisor by themselves. */
export function killSupervisor(stage: Stage, step: Step): Promise<void> {
  return killInstance(stage, step, (each) => each.role === 'supervisor')
}

export function killAll(stage: Stage, step: Step): Promise<void> {
  return killInstance(stage, step, () => true)
}

async function killInstance(stage: Stage, step: Step, whom: (each: ProcessOf) => boolean): Promise<void> {
  const seat = seatOf(stage, step)
  const killed = seat.processes().filter(whom)
  const roles = killed.map(({ role }) => role).join(', ')
  stage.ledger.note(`${seat.name} is killed (${roles})`)
  stage.down.add(seat)
  const isBack = stage.casualties.instance(seat.name, monotonicMs())
  for (const { pid } of killed) process.kill(pid, 'SIGKILL')
  await seat.kill()
  await lasts(step)
  await startAgain(stage, seat)
  isBack(monotonicMs())
  stage.down.delete(seat)
  stage.ledger.note(`${seat.name} is ready again`)
}

/** An instance starts from its last known state; it may fail to while its folder or Redis is out of reach as well. */
async function startAgain(stage: Stage, seat: Seat): Promise<void> {
  for (let tries = 1; ; tries++) {
    stage.ledger.note(`${seat.name} is started again`)
    const before = stage.troubles
    try {
      await seat.start()
      return
    } catch (error) {
      const why = (error as Error).message
      stage.ledger.note(`${seat.name} did not start: ${why}`)
      const wasInTrouble = before !== stage.troubles || stage.inTrouble > 0
      if (!wasInTrouble) stage.ledger.wrong.push(`${seat.name} did not start, though nothing else was wrong: ${why}`)
      if (tries === TRIES) throw error
    }
  }
}

async function stopOne(stage: Stage, seat: Seat, role: 'worker' | 'control', step: Step): Promise<ProcessOf | null> {
  const candidates = seat.processes(role)
  // Of the control processes the younger one is kept ready for when the other one dies.
  const chosen = candidates[role === 'control' ? 0 : step.variant % candidates.length]
  if (chosen === undefined) {
    stage.ledger.note(`${seat.name} has no ${role} just now`)
    return null
  }
  process.kill(chosen.pid, 'SIGSTOP')
  await until('stop of the process', async () => hasStopped(chosen.pid))
  return chosen
}

/** It may have been replaced meanwhile. */
function goOn({ pid }: ProcessOf): void {
  try {
    process.kill(pid, 'SIGCONT')
  } catch {
    // Gone.
  }
}

function portsOf({ cutover }: Seat, { pid }: ProcessOf): ReadonlySet<number> {
  return clientPortsAt(pid, Number(new URL(cutover.proxy).port))
}
