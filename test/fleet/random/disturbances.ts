import { setTimeout as delay } from 'node:timers/promises'
import type { Chance } from '../../support/chance.ts'
import type { Ledger } from '../../support/ledger.ts'
import type { Seat } from '../../support/seat.ts'
import type { Stage } from './stage.ts'

interface Lane {
  readonly stage: Stage
  readonly chance: Chance
  readonly ledger: Ledger
  /** Milliseconds since the beginning, when no more is begun. */
  readonly until: number
}

/** A disturbance of the fleet, undone before it resolves. */
type Disturbance = (lane: Lane) => Promise<void>

/** Disturbs the wires between the instances and Redis until the time is over; all is well then. */
export function disturbWires(lane: Lane): Promise<void> {
  return disturb(lane, [cut, freeze, dropAll, flushScripts, killClients])
}

/** Disturbs the processes: those of the instances and Redis. */
export function disturbProcesses(lane: Lane): Promise<void> {
  return disturb(lane, [killInstance, killControl, killControl, killRedis, pauseRedis])
}

async function disturb(lane: Lane, disturbances: readonly Disturbance[]): Promise<void> {
  const { chance, ledger, until } = lane
  while (ledger.now() < until) {
    // How long it is quiet, and how long something lasts, is what is random here: there is nothing to wait for.
    await delay(chance.between(200, 1_500))
    if (ledger.now() >= until) return
    ledger.disturbances++
    await chance.pick(disturbances)(lane)
  }
}

/** How long something lasts: mostly shorter than what a write is given, sometimes longer. */
function aWhile(chance: Chance): Promise<void> {
  return delay(chance.percent(70) ? chance.between(20, 1_200) : chance.between(1_200, 5_000))
}

async function cut({ stage, chance, ledger }: Lane): Promise<void> {
  const { name, relay } = chance.pick(stage.seats)
  ledger.note(`${name} is cut off from Redis`)
  await relay.cut()
  await aWhile(chance)
  await relay.heal()
  ledger.note(`${name} reaches Redis again`)
}

async function freeze({ stage, chance, ledger }: Lane): Promise<void> {
  const { name, relay } = chance.pick(stage.seats)
  ledger.note(`between ${name} and Redis nothing passes`)
  relay.freeze()
  await aWhile(chance)
  relay.thaw()
  ledger.note(`between ${name} and Redis all passes again`)
}

async function dropAll({ stage, chance, ledger }: Lane): Promise<void> {
  const { name, relay } = chance.pick(stage.seats)
  ledger.note(`the connections of ${name} to Redis are dropped`)
  relay.dropAll()
}

function flushScripts(lane: Lane): Promise<void> {
  return redisCommand(lane, 'SCRIPT', 'FLUSH')
}

function killClients(lane: Lane): Promise<void> {
  return redisCommand(lane, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
}

async function redisCommand({ stage, ledger }: Lane, ...command: string[]): Promise<void> {
  ledger.note(`Redis is told ${command.join(' ')}`)
  // The other lane may have stopped the process: then there is none to signal.
  if (!stage.redis.running) return
  await stage.redis.cli(...command).catch(() => ledger.note(`Redis did not answer to ${command.join(' ')}`))
}

async function killInstance({ stage, chance, ledger }: Lane): Promise<void> {
  const seat = chance.pick(stage.seats)
  ledger.note(`${seat.name} is killed`)
  await seat.kill()
  await aWhile(chance)
  await startAgain(seat, ledger)
}

async function startAgain(seat: Seat, ledger: Ledger): Promise<void> {
  ledger.note(`${seat.name} is started again`)
  for (let tries = 1; ; tries++) {
    try {
      await seat.start()
      ledger.note(`${seat.name} is ready again`)
      return
    } catch (error) {
      // It has a last known state to start from, whatever has become of Redis.
      ledger.wrong.push(`${seat.name} did not start at ${ledger.now().toFixed(0)} ms: ${(error as Error).message}`)
      if (tries === 5) throw error
    }
  }
}

async function killControl(lane: Lane): Promise<void> {
  const { stage, ledger } = lane
  const seat = stage.seats.find(({ isOneProcess }) => !isOneProcess)
  if (seat === undefined) return
  if (seat.killControl()) ledger.note(`the control process of ${seat.name} is killed`)
  else ledger.disturbances--
}

async function killRedis({ stage, chance, ledger }: Lane): Promise<void> {
  ledger.note('Redis is killed')
  await stage.redis.kill()
  await aWhile(chance)
  await stage.redis.restart()
  ledger.note('Redis has been started again')
}

async function pauseRedis({ stage, chance, ledger }: Lane): Promise<void> {
  ledger.note('Redis is paused')
  stage.redis.pause()
  await aWhile(chance)
  stage.redis.resume()
  ledger.note('Redis goes on')
}
