import { setTimeout as delay } from 'node:timers/promises'
import type { Seat } from '../../support/seat.ts'
import type { Step } from '../plan.ts'
import type { Stage } from '../stage.ts'

/** Does something to the fleet, and resolves when it is undone. */
export type Fault = (stage: Stage, step: Step) => Promise<void>

/** The instance that a step concerns, or the next one where that one is killed just now. */
export function seatOf({ seats, down }: Stage, { seat }: Step): Seat {
  const inTurn = seats.map((_, i) => seats[(seat + i) % seats.length] as Seat)
  const found = inTurn.find((each) => !down.has(each)) ?? inTurn[0]
  if (found === undefined) throw new Error('there is no seat')
  return found
}

/** How long it lasts is what is random here: there is nothing to wait for. */
export function lasts({ lastsMs }: Step): Promise<void> {
  return delay(lastsMs)
}
