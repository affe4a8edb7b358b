import type { Step } from '../plan.ts'
import type { Stage } from '../stage.ts'
import { lasts, seatOf } from './fault.ts'

const MINUTE_MS = 60_000
const MONTH_MS = 30 * 24 * 60 * MINUTE_MS
const SKEWS_MS = [MINUTE_MS, -MINUTE_MS, MONTH_MS, -MONTH_MS]

export async function cutRedis(stage: Stage, step: Step): Promise<void> {
  const { name, relay } = seatOf(stage, step)
  stage.ledger.note(`${name} is cut off from Redis`)
  await relay.cut()
  await lasts(step)
  await relay.heal()
  stage.ledger.note(`${name} reaches Redis again`)
}

export async function freezeRedis(stage: Stage, step: Step): Promise<void> {
  const { name, relay } = seatOf(stage, step)
  stage.ledger.note(`between ${name} and Redis nothing passes`)
  relay.freeze()
  await lasts(step)
  relay.thaw()
  stage.ledger.note(`between ${name} and Redis all passes again`)
}

export async function dropConnections(stage: Stage, step: Step): Promise<void> {
  const { name, relay } = seatOf(stage, step)
  stage.ledger.note(`the connections of ${name} to Redis are dropped`)
  relay.dropAll()
}

export async function skewClock(stage: Stage, step: Step): Promise<void> {
  const seat = seatOf(stage, step)
  const ms = SKEWS_MS[step.variant % SKEWS_MS.length] ?? 0
  stage.ledger.note(`the clock of ${seat.name} is off by ${ms / 1000} s`)
  await stage.skew(seat, ms)
  await lasts(step)
  await stage.skew(seat, 0)
  stage.ledger.note(`the clock of ${seat.name} is right again`)
}
