import { setTimeout as delay } from 'node:timers/promises'
import type { Cutover } from '../support/cutover.ts'

/** A service without requests: a change of its split has nothing to drain, and takes only what it takes to apply it. */
export const QUIET = {
  hosts: ['quiet.test'],
  // Nobody listens there, and nobody asks.
  pools: { one: { servers: { one1: 'http://127.0.0.1:9' } }, two: { servers: { two1: 'http://127.0.0.1:9' } } },
  split: { one: 50, two: 50 },
  health: 'off',
}

export interface Applied {
  /** From sending a change to the answer that every worker of every instance has it in force, ms. */
  readonly times: readonly number[]
  /** Answers that were not as promised, in words. */
  readonly broken: readonly string[]
}

/**
 * Times so many shifts of the quiet service with `?wait=`, through changing instances: the whole way of the command as a
 * client sees it, HTTP both ways and the news of the last worker included. The time to the last worker's new table is
 * somewhat less.
 */
export async function timeApplying(fleet: readonly Cutover[], count: number, signal?: AbortSignal): Promise<Applied> {
  const times: number[] = []
  const broken: string[] = []
  for (let i = 0; i < count; i++) {
    signal?.throwIfAborted()
    const asked = fleet[i % fleet.length]
    if (asked === undefined) throw new Error('a fleet of none')
    // Neither of the pools ever loses all of its share.
    const body = { to: 'two', percent: i % 2 === 0 ? 40 : 60 }
    const askedAt = performance.now()
    const answer = await asked.api('POST', '/api/services/quiet/shift?wait=10s', body)
    times.push(performance.now() - askedAt)
    const isRight = answer.status === 200 && answer.body.changed === true && answer.body.leftOut === undefined
    if (!isRight) broken.push(`shift ${i + 1} was answered ${answer.status} ${JSON.stringify(answer.body)}`)
  }
  return { times, broken }
}

/** Resolves once every instance has the store again. */
export async function waitForStore(fleet: readonly Cutover[]): Promise<void> {
  for (const cutover of fleet) {
    for (;;) {
      const { body } = await cutover.api('GET', '/api/services')
      if (body.stale !== true) break
      await delay(20)
    }
  }
}
