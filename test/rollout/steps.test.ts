import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { endedWell, oneIn, Trials, type View } from './trials.ts'

const trials = new Trials()

test.concurrent('R8 an analysis without traffic pauses at maxDuration: neither promoted nor aborted', async () => {
  const trial = await trials.service('r8')
  const id = await trial.begin({
    steps: [{ setWeight: 25 }, { analysis: { duration: '1s', maxDuration: '3s' } }, { setWeight: 50 }],
  })
  const { state, detail, weight, step } = await trial.seen(id, ({ reason }) => reason === 'Inconclusive')
  expect([state, weight.set, step.index]).toEqual(['Paused', 25, 2])
  expect(detail).toContain('requests of the canary, has 0')
})

test.concurrent('R9 time in which no request came does not count, and what came before stays', async () => {
  const trial = await trials.service('r9')
  const load = trial.load(2)
  const id = await trial.begin({
    steps: [{ setWeight: 50 }, { analysis: { duration: '12s' } }, { pause: {} }],
    analysis: { minRequests: 10 },
  })
  await trial.seen(id, ({ weight }) => weight.set === 50)
  await load.more(200)
  await endedWell(load)
  await trial.seen(id, ({ step }) => step.soakSeconds > 0)
  // The last requests are counted within two seconds.
  await delay(3_000)
  const before = await trial.view(id)
  await delay(3_000)
  const after = await trial.view(id)
  expect([after.step.index, after.step.soakSeconds]).toEqual([2, before.step.soakSeconds])
  expect(after.waitingFor).toMatch(/needs 12 s with counts of the fleet, has \d+ s/)
  const again = trial.load(2)
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  await endedWell(again)
})

test.concurrent('R10 at 2 requests a second an analysis waits for longer than its duration; the dry run has said so', async () => {
  const trial = await trials.service('r10')
  const timer = setInterval(() => void trial.ask(), 500)
  try {
    const settings = { to: 'next', steps: [{ setWeight: 50 }, { analysis: { duration: '2s', maxDuration: '1h' } }] }
    // Once the requests are counted.
    await until(async () => {
      const { body } = await trial.api('POST', '/rollouts?dryRun=true', { ...settings, analysis: { tick: '1s' } })
      return /step 2.*request/.test(body.remarks.join('\n'))
    })
    const id = await trial.begin(settings)
    const isLate = ({ step }: View) => step.index === 2 && Date.now() - Date.parse(step.since) > 4_000
    const { step, waitingFor, state } = await trial.seen(id, isLate)
    expect([state, step.index]).toEqual(['Progressing', 2])
    expect(waitingFor).toMatch(/needs \d+ requests of the canary, has \d+/)
  } finally {
    clearInterval(timer)
  }
})

test.concurrent('R20 another one in its place: the new canary gets a request only when the old one gets none', async () => {
  const third = await trials.actor('r20-third')
  const pools = { third: { servers: { [third.upstream.name]: third.upstream.url } } }
  const trial = await trials.service('r20', { pools })
  const load = trial.load()
  const old = await trial.begin({ steps: [{ setWeight: 30 }, { pause: {} }] })
  await trial.seen(old, ({ reason }) => reason === 'Gate')
  await load.more(50)
  let firstAtThird = Number.POSITIVE_INFINITY
  third.upstream.server.on('recorded', () => {
    firstAtThird = Math.min(firstAtThird, performance.now())
  })
  const refused = await trial.api('POST', '/rollouts', { to: 'third', steps: [{ setWeight: 30 }] })
  expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining(old)])
  const id = await trial.begin({ to: 'third', concurrency: 'replace', steps: [{ setWeight: 30 }, { pause: {} }] })
  expect(await trial.view(old)).toMatchObject({ state: 'Superseded', weight: { set: 0 } })
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  await load.more(100)
  expect((await trial.api('GET', '')).body.split).toEqual({ stable: 70, next: 0, third: 30 })
  expect(trial.next.lastAt).toBeGreaterThan(0)
  expect(firstAtThird).toBeGreaterThan(trial.next.lastAt)
  expect((await endedWell(load)).answers['r20-third']).toBeGreaterThan(20)
})

test.concurrent('R22 a verb that is sent again with its Idempotency-Key is carried out once', async () => {
  const trial = await trials.service('r22')
  const steps = [{ setWeight: 10 }, { pause: {} }, { setWeight: 20 }, { pause: {} }, { setWeight: 30 }, { pause: {} }]
  const id = await trial.begin({ steps })
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  const key = { 'idempotency-key': 'promote-1' }
  await Promise.all([trial.tell(id, 'promote', {}, key), trial.tell(id, 'promote', {}, key)])
  await trial.seen(id, ({ reason, weight }) => reason === 'Gate' && weight.set === 20)
  await trial.tell(id, 'promote', {}, key)
  const { step, weight } = await trial.view(id)
  expect([step.index, weight.set]).toEqual([4, 20])
})

test.concurrent('R23 a canary that fails at a gate is aborted', async () => {
  const trial = await trials.service('r23')
  const load = trial.load()
  const id = await trial.begin({ steps: [{ setWeight: 50 }, { pause: {} }], fuse: 'off' })
  await trial.seen(id, ({ reason }) => reason === 'Gate')
  trial.next.status = oneIn(5)
  const { reason, weight } = await trial.seen(id, ({ state }) => state === 'Aborted')
  expect([reason, weight.set]).toEqual(['MetricFailed', 0])
  await load.stop()
})

test.concurrent.for([
  ['abort', 'Aborted', 'GateTimeout', 0],
  ['approve', 'Succeeded', null, 100],
] as const)('R24 a gate that nobody answers in time: onTimeout %s', async ([onTimeout, state, reason, weight]) => {
  const trial = await trials.service(`r24-${onTimeout}`)
  const id = await trial.begin({
    steps: [{ setWeight: 50 }, { pause: { name: 'qa', timeout: '1s', onTimeout } }],
    watch: { duration: '0s' },
  })
  const waiting = await trial.seen(id, (rollout) => rollout.reason === 'Gate')
  expect(waiting.waitingFor).toMatch(/gate qa/)
  const done = await trial.seen(id, (rollout) => rollout.endedAt !== null)
  expect([done.state, done.reason, done.weight.set]).toEqual([state, reason, weight])
})
