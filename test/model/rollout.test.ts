import { describe, expect, test } from 'vitest'
import { observe } from '../../src/model/rollout/observe.ts'
import type { Rollout } from '../../src/model/rollout/rollout.ts'
import { ask } from '../../src/model/rollout/verbs.ts'
import { ANNA, asked, rollout, seen, settle, soak } from './rollout-support.ts'

describe('a step', () => {
  test('that sets a weight waits for a healthy canary and for every instance, in this order', () => {
    const begun = rollout({ steps: [{ setWeight: 10 }, { setWeight: 20 }] })
    const sick = settle(begun, 0, { canary: { up: 0, of: 2 } })
    expect([sick.state, sick.weight]).toEqual(['Progressing', 0])
    const set = observe(sick, seen(1))
    expect([set.weight, set.step.index]).toEqual([10, 0])
    const lagging = settle(set, 2, { lagging: ['b'] })
    expect([lagging.weight, lagging.step.index]).toEqual([10, 0])
    const next = observe(lagging, seen(3))
    expect([next.weight, next.step.index]).toEqual([20, 1])
  })

  test('that makes no progress fails after progressDeadline, and says why', () => {
    const begun = rollout({ steps: [{ waitHealthy: {} }, { setWeight: 10 }], progressDeadline: '10s' })
    const waiting = settle(begun, 0, { canary: { up: 1, of: 2 } })
    expect(waiting.state).toBe('Initializing')
    const late = observe(waiting, seen(10_001, { canary: { up: 1, of: 2 } }))
    expect([late.state, late.reason, late.weight]).toEqual(['Aborting', 'ProgressDeadline', 0])
    expect(late.detail).toContain('1 of 2 servers of green are up')
  })

  test('that pauses for a time goes on when it is over, whoever looks, and moves nothing meanwhile', () => {
    const paused = settle(rollout({ steps: [{ setWeight: 10 }, { pause: { for: '60s' } }, { setWeight: 20 }] }))
    expect([paused.state, paused.reason, paused.weight]).toEqual(['Paused', 'Step', 10])
    expect(observe(paused, seen(paused.step.sinceMs + 59_999))).toBe(paused)
    const next = observe(paused, seen(paused.step.sinceMs + 60_000))
    expect([next.state, next.step.index, next.weight]).toEqual(['Progressing', 2, 20])
  })

  test('that is a gate waits for an approval; rejected or too late, it aborts', () => {
    const gate = { name: 'qa', timeout: '1h' }
    const waiting = settle(rollout({ steps: [{ pause: gate }, { setWeight: 20 }] }))
    expect([waiting.state, waiting.reason]).toEqual(['Paused', 'Gate'])
    expect(ask(waiting, { verb: 'resume' }, { ...ANNA, nowMs: 1 })).toMatchObject({ kind: 'conflict' })
    expect(ask(waiting, { verb: 'approve', gate: 'other' }, { ...ANNA, nowMs: 1 })).toMatchObject({ kind: 'unknown' })
    expect(asked(waiting, { verb: 'approve', gate: 'qa' }).step.index).toBe(1)
    expect(asked(waiting, { verb: 'reject', gate: 'qa' })).toMatchObject({ state: 'Aborting', reason: 'GateRejected' })
    const late = observe(waiting, seen(waiting.step.sinceMs + 3_600_000))
    expect(late).toMatchObject({ state: 'Aborting', reason: 'GateTimeout', weight: 0 })
  })

  test('of analysis passes by what was observed, not by the time that has passed', () => {
    const steps = [{ setWeight: 10 }, { analysis: { duration: '10s', maxDuration: '60s' } }]
    const begun = settle(rollout({ steps }), 0, { minRequests: 50 })
    expect(observe(begun, seen(59_000, { minRequests: 50 }))).toBe(begun)
    const half = observe(begun, seen(20_000, { minRequests: 50, judged: soak(begun, 5, 30) }))
    expect([half.state, half.step.index, half.step.soakMs]).toEqual(['Progressing', 1, 5_000])
    const passed = observe(half, seen(25_000, { minRequests: 50, judged: soak(half, 5, 30) }))
    expect([passed.state, passed.step.index]).toEqual(['Promoting', 2])
  })

  test('R8 of analysis without enough evidence pauses at maxDuration, and resuming begins it again', () => {
    const steps = [{ setWeight: 10 }, { analysis: { duration: '10s', maxDuration: '60s' } }]
    const begun = settle(rollout({ steps }), 0, { minRequests: 299 })
    const paused = observe(begun, seen(60_100, { minRequests: 299, judged: soak(begun, 10, 211) }))
    expect(paused).toMatchObject({ state: 'Paused', reason: 'Inconclusive', weight: 10 })
    expect(paused.detail).toContain('needs 299 requests of the canary, has 211')
    const again = asked(paused, { verb: 'resume' }, 70_000)
    expect(again).toMatchObject({ state: 'Progressing', step: { index: 1, attempt: 2, soakMs: 0, canaryRequests: 0 } })
  })

  test('that calls a hook tries again, and takes only the answer to its own call', () => {
    const hook = { url: 'http://127.0.0.1:1/', retries: 1 }
    const begun = settle(rollout({ steps: [{ hook }, { setWeight: 10 }] }))
    expect(begun.state).toBe('Initializing')
    const call = { index: 0, attempt: 1, failures: 0, ok: false, detail: 'it answers 500' }
    expect(observe(begun, seen(5, { call: { ...call, attempt: 2 } }))).toBe(begun)
    const failed = observe(begun, seen(5, { call }))
    expect(failed.step).toMatchObject({ index: 0, failures: 1, nextAtMs: 1_005 })
    expect(observe(failed, seen(6, { call }))).toBe(failed)
    expect(observe(failed, seen(7, { call: { ...call, failures: 1, ok: true } })).step.index).toBe(1)
    expect(observe(failed, seen(7, { call: { ...call, failures: 1 } }))).toMatchObject({
      state: 'Aborting',
      reason: 'HookFailed',
    })
  })
})

describe('whatever the step', () => {
  const begun = settle(rollout({ steps: [{ setWeight: 25 }, { analysis: {} }] }))

  test('R27 a canary without a server that is up aborts', () => {
    const next = observe(begun, seen(1_000, { canary: { up: 0, of: 2 } }))
    expect(next).toMatchObject({ state: 'Aborting', reason: 'CanaryUnhealthy', weight: 0 })
  })

  test('unless no server of the stable pool is up either: then nothing moves until one is', () => {
    const both = { canary: { up: 0, of: 2 }, stable: { up: 0, of: 2 } }
    const held = observe(begun, seen(1_000, both))
    expect(held).toMatchObject({ state: 'Paused', reason: 'BaselineDegraded', weight: 25 })
    expect(observe(held, seen(2_000, both))).toBe(held)
    expect(observe(held, seen(3_000, { judged: soak(held, 5) }))).toMatchObject({ state: 'Progressing', weight: 25 })
  })

  test('a metric that has failed aborts, at a gate or in a pause as well; with onFailure pause it holds', () => {
    const failing = (current: Rollout) => {
      const metrics = current.metrics.map((metric) => ({ ...metric, verdict: 'failed' as const }))
      return seen(5_000, { judged: { ...(soak(current, 5) as NonNullable<ReturnType<typeof soak>>), metrics } })
    }
    const paused = asked(begun, { verb: 'pause' })
    for (const current of [begun, paused])
      expect(observe(current, failing(current))).toMatchObject({ state: 'Aborting', reason: 'MetricFailed', weight: 0 })
    const patient = settle(rollout({ steps: [{ setWeight: 25 }, { analysis: {} }], onFailure: 'pause' }))
    const held = observe(patient, failing(patient))
    expect(held).toMatchObject({ state: 'Paused', reason: 'FailureHeld', weight: 25 })
    expect(observe(held, seen(6_000))).toBe(held)
    expect(asked(held, { verb: 'retry' })).toMatchObject({ state: 'Progressing', step: { attempt: 2 } })
  })

  test('a freeze holds it, and ends by itself', () => {
    const held = observe(begun, seen(1_000, { frozen: 'frozen by anna' }))
    expect(held).toMatchObject({ state: 'Paused', reason: 'Frozen', weight: 25 })
    expect(observe(held, seen(2_000))).toMatchObject({ state: 'Progressing', reason: null })
  })

  test('a pause by a person lasts until a person ends it', () => {
    const paused = asked(begun, { verb: 'pause' })
    expect(observe(paused, seen(9_999_999))).toMatchObject({ state: 'Paused' })
    expect(asked(paused, { verb: 'resume' })).toMatchObject({
      state: 'Progressing',
      step: { ...begun.step, sinceMs: 0 },
    })
  })
})

describe('the end', () => {
  test('all traffic, watched for a time, then Succeeded', () => {
    const promoted = settle(rollout({ steps: [{ setWeight: 50 }], watch: { duration: '60s' } }))
    expect(promoted).toMatchObject({ state: 'Watching', weight: 100 })
    expect(observe(promoted, seen(59_000))).toBe(promoted)
    expect(observe(promoted, seen(61_000))).toMatchObject({ state: 'Succeeded', weight: 100, endedMs: 61_000 })
  })

  test('an abort while it is watched returns everything at once', () => {
    const watching = settle(rollout({ steps: [{ setWeight: 50 }] }))
    const aborting = asked(watching, { verb: 'abort' }, 5)
    expect(aborting).toMatchObject({ state: 'Aborting', weight: 0 })
    expect(observe(aborting, seen(6, { lagging: ['b'] }))).toBe(aborting)
    expect(observe(aborting, seen(7))).toMatchObject({ state: 'Aborted', weight: 0, reason: 'Manual' })
  })
})

describe('strategies', () => {
  test.each([
    ['canary', [5, 25, 50, 98]],
    ['rolling', [33.33, 66.67]],
    ['blueGreen', []],
    ['healthGate', [100]],
  ])('%s', (strategy, weights) => {
    const { spec } = rollout({ strategy }, 3)
    expect(spec.steps.flatMap((step) => (step.kind === 'setWeight' ? [step.percent] : []))).toEqual(weights)
    expect(spec.steps[0]?.kind).toBe('waitHealthy')
  })

  test('a ramp multiplies', () => {
    const { spec } = rollout({ steps: [{ ramp: { from: 5, to: 50, factor: 2, interval: '3m' } }] })
    expect(spec.steps.flatMap((step) => (step.kind === 'setWeight' ? [step.percent] : []))).toEqual([5, 10, 20, 40, 50])
  })
})
