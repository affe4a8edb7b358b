import { afterEach, beforeEach, expect, test } from 'vitest'
import { FleetTicks } from '../../src/control/ticks/fleet-ticks.ts'
import type { TickRow } from '../../src/model/messages.ts'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import { StoreUnavailable } from '../../src/store/store.ts'
import type { TickExchange } from '../../src/store/ticks.ts'
import { Figures } from '../../src/telemetry/ticks/figures.ts'
import { TickHistory } from '../../src/telemetry/ticks/tick-history.ts'
import { endAll, endWithAll, open } from '../store/redis-support.ts'
import { Chance } from '../support/chance.ts'
import { RedisServer } from '../support/redis.ts'

const START = 1_800_000_000
let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

function row(requests: number): TickRow {
  return { service: 'shop', pool: 'blue', version: '1', decision: 1, server: 'a', counts: [requests], durations: [] }
}

function requestsIn(history: TickHistory, from: number, to: number): number {
  const sum = new Figures()
  history.sum({ from, to }, () => sum)
  return sum.counts[0] as number
}

/** An exchange that loses calls, or their answers, when `fails` says so. */
function unreliable({ ticks }: RedisStore, fails: () => 'call' | 'answer' | 'no'): TickExchange {
  const attempt = async <T>(act: () => Promise<T>): Promise<T> => {
    const failure = fails()
    if (failure === 'call') throw new StoreUnavailable('lost')
    const done = await act()
    if (failure === 'answer') throw new StoreUnavailable('lost')
    return done
  }
  return {
    send: (...args) => attempt(() => ticks.send(...args)),
    pending: () => attempt(() => ticks.pending()),
    publish: (...args) => attempt(() => ticks.publish(...args)),
    onSum: (listener) => ticks.onSum(listener),
  }
}

test('whatever calls and answers are lost, every instance has every count once', async () => {
  const chance = new Chance(7)
  let areLost = true
  const fails = () => (!areLost || chance.next() < 0.5 ? 'no' : chance.next() < 0.5 ? 'call' : 'answer')
  const instances = await Promise.all(
    [1, 2, 3].map(async () => {
      const { store } = await open(redis.url)
      const history = new TickHistory()
      return { history, ticks: new FleetTicks(unreliable(store, fails), history) }
    }),
  )
  let counted = 0
  for (let second = START; second < START + 60; second++) {
    for (const { ticks } of instances) {
      const requests = chance.between(0, 99)
      ticks.add(second, [row(requests), row(1)])
      counted += requests + 1
    }
    await new Promise((resolve) => setTimeout(resolve, 30))
  }
  areLost = false
  // The next ticks bring everything that is still missing.
  let second = START + 60
  const found = () => instances.map(({ history }) => requestsIn(history, START, START + 60))
  await expect
    .poll(
      () => {
        for (const { ticks } of instances) ticks.add(second, [])
        second++
        return found()
      },
      { timeout: 20_000, interval: 200 },
    )
    .toEqual([counted, counted, counted])
  await Promise.all(instances.map(({ ticks }) => ticks.close()))
})

test('counts of a long outage arrive afterwards, each in its ten seconds, and take little memory until then', async () => {
  const { store } = await open(redis.url)
  const history = new TickHistory()
  let isAway = true
  const ticks = new FleetTicks(
    unreliable(store, () => (isAway ? 'call' : 'no')),
    history,
  )
  for (let second = START; second < START + 3_600; second++) {
    ticks.add(second, [row(1)])
    // Each attempt fails before the next tick, as with a store that is away.
    if (second % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  isAway = false
  let last = START + 3_600
  await expect
    .poll(
      () => {
        ticks.add(last, [])
        last++
        return requestsIn(history, START, START + 3_600)
      },
      { timeout: 20_000, interval: 100 },
    )
    .toBe(3_600)
  for (let from = START; from < START + 3_500; from += 10) expect(requestsIn(history, from, from + 10)).toBe(10)
  await ticks.close()
})
