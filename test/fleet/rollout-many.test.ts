import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { EventReader } from '../support/event-reader.ts'
import { begin, RolloutStage, seen, type View, view } from './rollout-stage.ts'
import { killControl } from './support.ts'

const names = (kind: string, count: number) => Array.from({ length: count }, (_, i) => `${kind}${i}`)
const HEALTHY = names('healthy', 20)
const DEAD = names('dead', 10)
const FAULTY = names('faulty', 10)
const ALL = [...HEALTHY, ...DEAD, ...FAULTY]
/** Time of an answer: the 120 clients send 1,200 requests a second. */
const TAKES_MS = 100
const KILL_EVERY_MS = 6_000
const STEPS = [
  { setWeight: 10 },
  { pause: { for: '5s' } },
  { setWeight: 50 },
  { analysis: { duration: '10s', maxDuration: '5m' } },
]
/** Enough to find 5 % of errors at the canary. */
const MIN_REQUESTS = 500

let stage: RolloutStage
let a: Cutover
beforeAll(async () => {
  stage = await RolloutStage.start({ services: Object.fromEntries(ALL.map((name) => [name, {}])) })
  a = stage.fleet.get('a')
  for (const name of ALL) stage.behave(name, DEAD.includes(name) ? 1 : FAULTY.includes(name) ? 0.05 : 0, TAKES_MS)
})
afterAll(() => stage?.stop())

test('20 healthy rollouts, 10 dead canaries and 10 with 5 % of errors at once, while leaders are killed', async () => {
  const loads = new Map(ALL.map((name) => [name, stage.load(name, stage.fleet.all, 1)]))
  const settings = { steps: STEPS, watch: { duration: '5s' }, analysis: { tick: '1s', minRequests: MIN_REQUESTS } }
  const ids = new Map<string, string>()
  for (const name of ALL) ids.set(name, await begin(a, name, settings))

  const ended = new Map<string, View>()
  let isOver = false
  let kills = 0
  const killing = (async () => {
    while (!isOver) {
      await delay(KILL_EVERY_MS)
      const running = ALL.find((name) => !ended.has(name))
      if (running === undefined) return
      const { leader } = await view(a, running, ids.get(running) as string)
      if (leader === null || isOver) continue
      await killControl(stage.fleet.get(leader))
      kills += 1
    }
  })()
  await Promise.all(
    ALL.map(async (name) => {
      const over = await seen(a, name, ids.get(name) as string, ({ endedAt }) => endedAt !== null, 240_000)
      ended.set(name, over)
    }),
  ).finally(() => {
    isOver = true
  })
  await killing
  expect(kills).toBeGreaterThanOrEqual(3)

  const states = (of: readonly string[]) => of.map((name) => [name, ended.get(name).state, ended.get(name).reason])
  expect(states(HEALTHY)).toEqual(HEALTHY.map((name) => [name, 'Succeeded', null]))
  expect(states(DEAD)).toEqual(DEAD.map((name) => [name, 'Aborted', expect.stringMatching(/^(fuse|MetricFailed)$/)]))
  expect(states(FAULTY)).toEqual(FAULTY.map((name) => [name, 'Aborted', 'MetricFailed']))

  for (const name of ALL) {
    const load = loads.get(name) as NonNullable<ReturnType<typeof loads.get>>
    await load.more(3)
    const { sent, completed, failed } = await load.stop()
    // Each failure is one that the canary has sent.
    expect([name, failed, completed + failed]).toEqual([name, stage.errorsOf(name), sent])
  }
  for (const name of [...DEAD, ...FAULTY]) {
    const abortedMs = await abortedAt(name)
    const lastMs = performance.timeOrigin + stage.lastAtCanary(name)
    expect([name, lastMs - abortedMs < 2_000]).toEqual([name, true])
  }
}, 420_000)

/** When the abort of the only rollout of a service was written, ms. */
async function abortedAt(service: string): Promise<number> {
  const reader = await EventReader.open(a.admin, '0-0', `?service=${service}&types=rollout.aborting`)
  const { data } = await reader.event(({ type }) => type === 'rollout.aborting')
  reader.close()
  return Date.parse(data.at)
}
