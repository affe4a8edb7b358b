import { describe, expect, test } from 'vitest'
import { dueCall, observe } from '../../src/model/rollout/observe.ts'
import type { Rollout, WebStanding } from '../../src/model/rollout/rollout.ts'
import { waitingFor } from '../../src/model/rollout/waiting.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { asked, rollout, seen, settle, soak } from './rollout-support.ts'

function brief({ state, reason, weight, step }: Rollout) {
  return [state, reason, weight, step.index]
}

describe('a route, or copies', () => {
  const STEPS = [{ route: { name: 'qa', match: { header: { 'x-canary': '1' } } } }, { mirror: { percent: 10 } }]

  test('are in force until the end of the rollout; each waits until it is applied', () => {
    const routed = observe(rollout({ steps: STEPS }), seen(0))
    expect([brief(routed), routed.routes, routed.mirror]).toEqual([['Progressing', null, 0, 0], ['qa'], null])
    expect(observe(routed, seen(1, { lagging: ['b'] }))).toBe(routed)
    const mirrored = observe(routed, seen(2))
    expect([brief(mirrored), mirrored.mirror?.share]).toEqual([['Progressing', null, 0, 1], 1_000])
    const watching = settle(mirrored, 3)
    expect([brief(watching), watching.routes]).toEqual([['Watching', null, 100, 2], ['qa']])
    expect(observe(watching, seen(10_000_000))).toMatchObject({ state: 'Succeeded', routes: [], mirror: null })
  })

  test('copies of 0 % end them', () => {
    const ended = settle(rollout({ steps: [...STEPS, { mirror: { percent: 0 } }, { pause: {} }] }))
    expect([ended.reason, ended.mirror, ended.routes]).toEqual(['Gate', null, ['qa']])
  })

  test('fail when an instance does not apply them in time', () => {
    const routed = observe(rollout({ steps: STEPS, progressDeadline: '10s' }), seen(0))
    expect(observe(routed, seen(10_001, { lagging: ['b'] }))).toMatchObject({
      state: 'Aborting',
      reason: 'ProgressDeadline',
      detail: 'b had not applied the change in time',
      routes: [],
    })
  })
})

test('a weight that falls waits for nobody', () => {
  const high = settle(rollout({ steps: [{ setWeight: 50 }, { pause: {} }, { setWeight: 10 }, { pause: {} }] }))
  const next = asked(high, { verb: 'approve', gate: 'gate-1' }, 1)
  expect(observe(next, seen(2, { canary: { up: 0, of: 2 }, stable: { up: 1, of: 2 }, lagging: ['b'] })).weight).toBe(0)
  expect(observe(next, seen(2, { canary: { up: 1, of: 2 }, lagging: ['b'] })).weight).toBe(10)
})

test('a weight that had to wait has its whole time again to be applied', () => {
  const begun = rollout({ steps: [{ setWeight: 10 }, { pause: {} }], progressDeadline: '60s' })
  const sick = settle(begun, 0, { canary: { up: 0, of: 2 } })
  const set = observe(sick, seen(59_999))
  expect(brief(set)).toEqual(['Progressing', null, 10, 0])
  expect(observe(set, seen(60_500, { lagging: ['b'] }))).toBe(set)
  expect(observe(set, seen(120_000, { lagging: ['b'] }))).toMatchObject({ reason: 'ProgressDeadline', weight: 0 })
})

test('a hold uses up no time of a step that waits', () => {
  const steps = [{ setWeight: 10 }, { analysis: { duration: '10s', maxDuration: '60s' } }]
  const held = observe(settle(rollout({ steps })), seen(1_000, { frozen: 'frozen' }))
  const on = observe(held, seen(3_600_000))
  expect(brief(on)).toEqual(['Progressing', null, 10, 1])
  expect(observe(on, seen(3_600_001))).toBe(on)
})

describe('at the end of a pause for a time', () => {
  const steps = [{ setWeight: 10 }, { pause: { for: '60s' } }, { setWeight: 20 }]
  const paused = settle(rollout({ steps }))

  test.each([
    ['a freeze', 'Frozen', { frozen: 'frozen by ops' }],
    ['a stable pool that is not well', 'BaselineDegraded', { stable: { up: 0, of: 2 } }],
  ])('%s keeps it there', (_, reason, more) => {
    const held = observe(paused, seen(70_000, more))
    expect(brief(held)).toEqual(['Paused', reason, 10, 1])
    expect(observe(held, seen(80_000, more))).toBe(held)
    const freed = observe(held, seen(90_000, { judged: soak(held, 5) }))
    expect(brief(settle(freed, 90_001))).toEqual(['Watching', null, 100, 3])
  })
})

describe('a gate', () => {
  test('may open by itself after a time, and not while something holds the rollout', () => {
    const gate = { pause: { name: 'qa', timeout: '1h', onTimeout: 'approve' } }
    const waiting = settle(rollout({ steps: [gate, { pause: {} }] }))
    expect(brief(observe(waiting, seen(3_600_001, { frozen: 'frozen' })))).toEqual(['Paused', 'Frozen', 0, 0])
    expect(brief(observe(waiting, seen(3_600_001)))).toEqual(['Paused', 'Gate', 0, 1])
  })

  test('R23 the judge goes on while it waits: a failure aborts', () => {
    const waiting = settle(rollout({ steps: [{ setWeight: 10 }, { pause: { name: 'qa' } }] }))
    const metrics = waiting.metrics.map((metric) => ({ ...metric, verdict: 'failed' as const }))
    const tick = { ...(soak(waiting, 5) as NonNullable<ReturnType<typeof soak>>), metrics }
    expect(observe(waiting, seen(5_000, { judged: tick }))).toMatchObject({ reason: 'MetricFailed', weight: 0 })
    // And what it counts meanwhile is no soak of the step that comes then.
    expect(observe(waiting, seen(5_000, { judged: soak(waiting, 5) })).step).toMatchObject({ soakMs: 0 })
  })
})

describe('a health gate', () => {
  const steps = [{ setWeight: 100 }, { healthGate: { path: '/health', times: 2, interval: '10s' } }]
  const asking = settle(rollout({ steps, watch: { duration: '0s' } }))
  const call = { index: 1, attempt: 1, failures: 0, ok: false, detail: 'green1: status 503' }

  test('R31 asks again after a time, and returns everything when no answer was a 2xx', () => {
    expect([brief(asking), dueCall(asking, 5)?.kind]).toEqual([['Progressing', null, 100, 1], 'healthGate'])
    const failed = observe(asking, seen(100, { call }))
    expect([failed.step.failures, dueCall(failed, 10_099), dueCall(failed, 10_100)?.kind]).toEqual([
      1,
      null,
      'healthGate',
    ])
    expect(observe(failed, seen(10_200, { call: { ...call, failures: 1 } }))).toMatchObject({
      state: 'Aborting',
      reason: 'HealthGateFailed',
      weight: 0,
      detail: '2 of 2 calls have failed; the last one: green1: status 503',
    })
  })

  test('is passed by one 2xx, and not watched after', () => {
    const passed = settle(observe(asking, seen(100, { call: { ...call, ok: true } })), 101)
    expect(brief(passed)).toEqual(['Succeeded', null, 100, 2])
  })

  test('asks nobody while the rollout is held', () => {
    expect(dueCall(asked(asking, { verb: 'pause' }), 1_000_000)).toBeNull()
  })
})

describe('a metric of the web', () => {
  const metric = { name: 'orders', kind: 'web', url: 'http://127.0.0.1:1/', min: 0.9, failureLimit: 1 }
  const at10 = (more: JsonObject = {}) =>
    settle(rollout({ steps: [{ setWeight: 10 }, { analysis: {} }], analysis: { metrics: [{ ...metric, ...more }] } }))
  const web = (
    value: number | null,
    failuresInRow = 0,
    problem: string | null = null,
  ): Record<string, WebStanding> => ({
    orders: { value, failuresInRow, problem, nextAtMs: 60_000 },
  })

  test('aborts after more failures in a row than are tolerated', () => {
    const once = observe(at10(), seen(1_000, { measured: web(0.5, 1) }))
    expect([once.state, once.metrics[0]?.verdict]).toEqual(['Progressing', 'ok'])
    expect(observe(once, seen(2_000, { measured: web(0.5, 2) }))).toMatchObject({
      reason: 'MetricFailed',
      detail: 'orders was 0.5',
      weight: 0,
    })
  })

  test('that cannot be asked holds the rollout until it can; one that decides nothing does not', () => {
    const away = { measured: web(null, 0, 'it cannot be reached') }
    const held = observe(at10(), seen(1_000, away))
    expect(brief(held)).toEqual(['Paused', 'ProviderError', 10, 1])
    expect(brief(observe(held, seen(2_000, { measured: web(0.95) })))).toEqual(['Progressing', null, 10, 1])
    expect(brief(observe(at10({ dryRun: true }), seen(1_000, away)))).toEqual(['Progressing', null, 10, 1])
    expect(brief(observe(at10({ dryRun: true }), seen(1_000, { measured: web(0, 9) })))).toContain('Progressing')
  })

  test('must have been measured before a step passes', () => {
    const tick = (current: Rollout) => seen(1_000_000, { judged: soak(current, 300) })
    const current = at10()
    expect(waitingFor(observe(current, tick(current)), seen(1_000_000))).toBe('orders has not been measured yet')
    const known = observe(current, seen(1_000, { measured: web(0.95) }))
    expect(observe(known, tick(known)).state).toBe('Promoting')
  })
})

describe('what a step waits for, in words', () => {
  test.each<[string, JsonObject, Parameters<typeof seen>[1], string]>([
    ['servers', { waitHealthy: {} }, { canary: { up: 1, of: 2 } }, '1 of 2 servers of green are up, needs 2'],
    ['instances', { setWeight: 5 }, { canary: { up: 0, of: 2 } }, '0 of 2 servers of green are up, needs 1'],
    ['requests', { analysis: { duration: '10s' } }, { minRequests: 299 }, 'needs 299 requests of the canary, has 0'],
    ['a hook', { hook: { url: 'http://127.0.0.1:1/' } }, {}, 'the hook must answer 2xx; 0 of 3 calls have failed'],
    ['a person', { pause: { name: 'qa' } }, {}, 'gate qa waits for an approval'],
    ['time', { pause: { for: '60s' } }, {}, 'until 1970-01-01T00:01:00'],
  ])('%s', (_, step, more, words) => {
    const waiting = settle(rollout({ steps: [step] }), 0, more)
    expect(waitingFor(waiting, seen(50, more))).toContain(words)
  })
})
