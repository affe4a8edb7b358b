import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { endedWell, oneIn, Trials } from './trials.ts'

const trials = new Trials()
const HALF = [{ setWeight: 50 }, { analysis: { duration: '5s', maxDuration: '2m' } }, { pause: {} }]
/** Of a few answers of one worker, many more may be errors than of all: what is meant is the judge. */
const NO_FUSE = { fuse: 'off' }
/** Enough to go on, so that a test is short. */
const ENOUGH = { minRequests: 200 }
const SLOW = { ...ENOUGH, metrics: [{ name: 'slow', kind: 'latency', threshold: 'auto' }] }

test.concurrent('R5 a canary with 5 % of errors is aborted, and the event says by which counts', async () => {
  const trial = await trials.service('r5')
  trial.stable.status = oneIn(200)
  trial.next.status = oneIn(20)
  const load = trial.load()
  const id = await trial.begin({ steps: HALF })
  const rollout = await trial.seen(id, ({ state }) => state === 'Aborted')
  const { failures, failed, answers } = await load.stop()
  expect(rollout).toMatchObject({ reason: 'MetricFailed', weight: { set: 0 } })
  expect(rollout.detail).toMatch(
    /^errors: \d+ of \d+ \(\d+(\.\d+)? %\) at the canary, \d+ of \d+ \(.* %\) at the stable/,
  )

  const events = await trial.eventsUntil('rollout.aborted')
  const types = events.map(({ type }) => type)
  expect(types[0]).toBe('rollout.started')
  expect(types.slice(-3)).toEqual(['rollout.aborting', 'rollout.weight', 'rollout.aborted'])
  const aborting = events.at(-3)
  const { canary, stable, ratio, evidence, threshold, verdict } = aborting?.data.after.metrics[0] ?? {}
  expect(verdict).toBe('failed')
  expect(evidence).toBeGreaterThanOrEqual(threshold)
  expect(ratio).toBeCloseTo(canary.bad / canary.requests / (stable.bad / stable.requests), 1)
  expect(failures).toEqual({ 'status 500': failed })
  expect(canary.bad + stable.bad).toBeLessThanOrEqual(failed)
  expect(canary.requests - canary.bad).toBeLessThanOrEqual(answers['r5-new'] ?? 0)
})

test.concurrent('R6 while both pools fail nothing is said of the canary, and it goes on after', async () => {
  const trial = await trials.service('r6')
  const load = trial.load(2)
  // Times are not compared: on a busy machine one server may really be slower.
  const errors = { name: 'errors', kind: 'errorRate' }
  const id = await trial.begin({ steps: HALF, analysis: { ...ENOUGH, metrics: [errors] }, ...NO_FUSE })
  await trial.seen(id, ({ weight }) => weight.set === 50)
  trial.stable.status = oneIn(4)
  trial.next.status = oneIn(4)
  const held = await trial.seen(id, ({ reason }) => reason === 'BaselineDegraded')
  expect([held.state, held.weight.set]).toEqual(['Paused', 50])
  expect(held.waitingFor).toContain('stable pool')
  trial.stable.status = () => 200
  trial.next.status = () => 200
  const passed = await trial.seen(id, ({ reason }) => reason === 'Gate')
  expect([passed.weight.set, passed.step.index]).toEqual([50, 3])
  await load.stop()
})

test.concurrent('R11 a canary twice as slow is aborted', async () => {
  const trial = await trials.service('r11')
  trial.stable.takes = spread(1)
  trial.next.takes = spread(2)
  const load = trial.load(8)
  await load.more(200)
  const id = await trial.begin({ steps: HALF, analysis: SLOW })
  const { reason, detail, metrics } = await trial.seen(id, ({ state }) => state === 'Aborted')
  expect([reason, detail.startsWith('slow: ')]).toEqual(['MetricFailed', true])
  expect(metrics[0].thresholdMs).toBeGreaterThan(20)
  await endedWell(load)
})

test.concurrent('R12 a canary 5 % slower is not aborted', async () => {
  const trial = await trials.service('r12')
  trial.stable.takes = spread(1)
  trial.next.takes = spread(1.05)
  const load = trial.load(8)
  await load.more(200)
  const id = await trial.begin({ steps: HALF, analysis: SLOW })
  const { metrics } = await trial.seen(id, ({ reason }) => reason === 'Gate')
  expect(metrics[0]).toMatchObject({ name: 'slow', verdict: 'ok' })
  expect(metrics[0].canary.requests).toBeGreaterThan(100)
  await endedWell(load)
})

test.concurrent('R13 a canary that fails for a moment is not aborted', async () => {
  const trial = await trials.service('r13')
  const load = trial.load()
  const errors = { name: 'errors', kind: 'errorRate' }
  const id = await trial.begin({ steps: HALF, analysis: { ...ENOUGH, metrics: [errors] }, ...NO_FUSE })
  await trial.seen(id, ({ weight }) => weight.set === 50)
  await load.more(100)
  trial.next.status = oneIn(3)
  await delay(900)
  trial.next.status = () => 200
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  const { failed } = await load.stop()
  expect(failed).toBeGreaterThan(5)
  const { state, metrics } = await trial.seen(id, (rollout) => rollout.metrics[0].canary.bad === failed)
  expect([state, metrics[0].verdict]).toEqual(['Paused', 'ok'])
})

/** Times with a tail: 10 ms and, on average, 20 ms more, so many times as long. */
function spread(factor: number): () => number {
  return () => factor * (10 - 20 * Math.log(1 - Math.random()))
}
