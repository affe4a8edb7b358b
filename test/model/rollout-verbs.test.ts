import { describe, expect, test } from 'vitest'
import { observe } from '../../src/model/rollout/observe.ts'
import type { Rollout } from '../../src/model/rollout/rollout.ts'
import { ask, type RolloutVerb } from '../../src/model/rollout/verbs.ts'
import { ANNA, asked, failing, rollout, seen, settle, soak } from './rollout-support.ts'

const STEPS = [
  { setWeight: 5 },
  { analysis: { duration: '10s', maxDuration: '60s' } },
  { route: { name: 'qa', match: { header: { 'x-canary': '1' } } } },
  { mirror: { percent: 10 } },
  { setWeight: 25 },
  { pause: { name: 'approval' } },
  { setWeight: 50 },
  { analysis: { duration: '10s' } },
]
/** In the first analysis, at 5 %. */
const at5 = settle(rollout({ steps: STEPS }))
/** At the gate, at 25 %. */
const atGate = settle(asked(at5, { verb: 'skip' }), 100)
/** In the last analysis, at 50 %. */
const at50 = settle(asked(atGate, { verb: 'approve', gate: 'approval' }), 200)
const watching = settle(asked(at50, { verb: 'promote', full: true }), 300)

function refusal(current: Rollout, verb: RolloutVerb): unknown {
  const next = ask(current, verb, { ...ANNA, nowMs: 1_000 })
  return 'kind' in next ? next : null
}

function brief({ state, reason, weight, step }: Rollout) {
  return [state, reason, weight, step.index]
}

test('the states that the tests begin with', () => {
  expect([at5, atGate, at50, watching].map(brief)).toEqual([
    ['Progressing', null, 5, 1],
    ['Paused', 'Gate', 25, 5],
    ['Progressing', null, 50, 7],
    ['Watching', null, 100, 8],
  ])
})

describe('pause', () => {
  test('keeps the weight in every phase, and resume returns to that phase', () => {
    for (const current of [rollout({ steps: STEPS }), at5, at50, watching]) {
      const paused = asked(current, { verb: 'pause' }, 1_000)
      expect(brief(paused)).toEqual(['Paused', 'Manual', current.weight, current.step.index])
      expect(asked(paused, { verb: 'pause' }, 1_001)).toBe(paused)
      expect(brief(asked(paused, { verb: 'resume' }, 2_000))).toEqual(brief(current))
    }
  })

  test('does not hide that the rollout waits for a person for another reason', () => {
    const inconclusive = observe(at5, seen(60_100))
    const lost = { ...at5, state: 'Paused', reason: 'StoreLost', resumesTo: 'Progressing', weight: 0 } as const
    const patient = settle(rollout({ steps: STEPS, onFailure: 'pause' }))
    const held = observe(patient, seen(5_000, { judged: failing(patient) }))
    expect([inconclusive.reason, lost.reason, held.reason]).toEqual(['Inconclusive', 'StoreLost', 'FailureHeld'])
    for (const current of [inconclusive, lost, held]) expect(asked(current, { verb: 'pause' }, 70_000)).toBe(current)
  })

  test('does not use up the time that a step may take', () => {
    const paused = asked(at5, { verb: 'pause' }, 1_000)
    const resumed = asked(paused, { verb: 'resume' }, 10_000_000)
    expect(observe(resumed, seen(10_000_001))).toBe(resumed)
    expect(observe(resumed, seen(10_060_001))).toMatchObject({ state: 'Paused', reason: 'Inconclusive' })
  })
})

describe('resume', () => {
  test('after a lost store begins with the last weight: the canary has lost its share', () => {
    const lost = { ...at50, state: 'Paused', reason: 'StoreLost', resumesTo: 'Progressing', weight: 0 } as const
    const resumed = asked(lost, { verb: 'resume' }, 1_000)
    expect(brief(resumed)).toEqual(['Progressing', null, 0, 6])
    expect(brief(settle(resumed, 1_001))).toEqual(['Progressing', null, 50, 7])
  })

  test('of what is not paused is no change', () => {
    for (const current of [at5, watching]) expect(asked(current, { verb: 'resume' })).toBe(current)
  })

  test('ends a pause for a time before it is over', () => {
    const timed = settle(rollout({ steps: [{ pause: { for: '1h' } }, { pause: {} }] }))
    expect(timed.reason).toBe('Step')
    expect(asked(timed, { verb: 'resume' }, 10)).toMatchObject({ state: 'Progressing', step: { index: 1 } })
  })
})

describe('promote', () => {
  test('goes on to the next step; to a later one with the routes, copies and weight of those between', () => {
    expect(brief(asked(at5, { verb: 'promote', full: false }))).toEqual(['Progressing', null, 5, 2])
    const jumped = asked(at5, { verb: 'promote', full: false, toStep: 7 })
    expect(brief(jumped)).toEqual(['Progressing', null, 25, 6])
    expect([jumped.routes, jumped.mirror?.share]).toEqual([['qa'], 1_000])
  })

  test('fully gives all traffic once the canary can take it', () => {
    const promoting = asked(at5, { verb: 'promote', full: true }, 1_000)
    expect(brief(promoting)).toEqual(['Promoting', null, 5, 8])
    expect(observe(promoting, seen(1_001, { canary: { up: 0, of: 2 }, stable: { up: 0, of: 2 } })).weight).toBe(5)
    expect(observe(promoting, seen(1_001, { lagging: ['b'] })).weight).toBe(5)
    expect(observe(promoting, seen(1_001)).weight).toBe(100)
  })

  test('only goes forward, to a step that exists', () => {
    for (const toStep of [0, 1, 2, 9])
      expect(refusal(at5, { verb: 'promote', full: false, toStep })).toMatchObject({ kind: 'invalid' })
    expect(refusal(at5, { verb: 'promote', full: true, toStep: 4 })).toMatchObject({ kind: 'invalid' })
  })

  test('and skip and retry are refused past the last step, paused or not', () => {
    const paused = asked(watching, { verb: 'pause' })
    for (const current of [watching, paused])
      for (const verb of [
        { verb: 'promote', full: true },
        { verb: 'promote', full: false },
        { verb: 'skip' },
        { verb: 'retry' },
      ] as const)
        expect(refusal(current, verb)).toMatchObject({ kind: 'conflict' })
  })
})

describe('back', () => {
  test('returns to the weight before, in all phases, and goes through the steps from there again', () => {
    const from50 = asked(at50, { verb: 'back' })
    expect(brief(from50)).toEqual(['Progressing', null, 25, 4])
    expect(brief(settle(from50, 1_000))).toEqual(['Paused', 'Gate', 25, 5])
    expect(brief(asked(watching, { verb: 'back' }))).toEqual(['Progressing', null, 50, 6])
    expect(refusal(at5, { verb: 'back' })).toMatchObject({ kind: 'conflict' })
  })

  test('takes away the routes and copies that come later', () => {
    expect([at50.routes, at50.mirror?.share]).toEqual([['qa'], 1_000])
    const first = asked(atGate, { verb: 'back' })
    expect([brief(first), first.routes, first.mirror]).toEqual([['Progressing', null, 5, 0], [], null])
  })
})

describe('setWeight', () => {
  test('changes the share within the step', () => {
    expect(brief(asked(at5, { verb: 'setWeight', percent: 7.5 }))).toEqual(['Progressing', null, 7.5, 1])
    expect(asked(at5, { verb: 'setWeight', percent: 5 })).toBe(at5)
  })

  test('is refused for what is no percentage, past the last step, and before the canary is ready', () => {
    for (const percent of [-1, 101, Number.NaN, 0.001])
      expect(refusal(at5, { verb: 'setWeight', percent })).toMatchObject({ kind: 'invalid' })
    const preparing = settle(rollout({ steps: [{ waitHealthy: {} }, ...STEPS] }), 0, { canary: { up: 1, of: 2 } })
    expect(preparing.state).toBe('Initializing')
    const paused = asked(preparing, { verb: 'pause' })
    for (const current of [watching, asked(watching, { verb: 'pause' }), preparing, paused, rollout({ steps: STEPS })])
      expect(refusal(current, { verb: 'setWeight', percent: 10 })).toMatchObject({ kind: 'conflict' })
  })
})

describe('retry', () => {
  test('begins the step again, and the evidence anew', () => {
    const metrics = at5.metrics.map((metric) => ({ ...metric, evidence: { ...metric.evidence, logs: [1, 2] } }))
    const half = observe({ ...at5, metrics }, seen(5_000, { judged: { ...soaked(at5), metrics } }))
    expect([half.step.soakMs, half.metrics[0]?.evidence.logs]).toEqual([5_000, [1, 2]])
    const again = asked(half, { verb: 'retry' }, 6_000)
    expect(again.step).toMatchObject({ index: 1, attempt: 2, soakMs: 0, canaryRequests: 0, sinceMs: 6_000 })
    expect(again.metrics[0]?.evidence.logs).toEqual([])
  })
})

describe('after a failure that is held', () => {
  const patient = settle(rollout({ steps: STEPS, onFailure: 'pause', maxDuration: '1h' }))
  const held = observe(patient, seen(5_000, { judged: failing(patient) }))
  const overdue = observe(patient, seen(3_600_001))

  test.each<RolloutVerb>([
    { verb: 'resume' },
    { verb: 'retry' },
    { verb: 'skip' },
    { verb: 'promote', full: true },
    { verb: 'promote', full: false, toStep: 5 },
  ])('$verb goes on: the person knows of it, and it is no failure a second time', (verb) => {
    for (const current of [held, overdue]) {
      expect(brief(current)).toEqual(['Paused', 'FailureHeld', 5, 1])
      const on = asked(current, verb, 3_600_002)
      expect(observe(on, seen(3_600_003, { canary: { up: 1, of: 2 }, lagging: ['b'] })).state).not.toBe('Paused')
    }
  })

  test('abort aborts, and so does a canary without a server', () => {
    expect(asked(held, { verb: 'abort' })).toMatchObject({ state: 'Aborting', weight: 0 })
    expect(observe(held, seen(6_000, { canary: { up: 0, of: 2 } }))).toMatchObject({ reason: 'CanaryUnhealthy' })
  })
})

describe('abort', () => {
  test('takes everything from the canary, in every phase; again is no change; then only the end is left', () => {
    for (const current of [rollout({ steps: STEPS }), at5, atGate, at50, watching, asked(at50, { verb: 'pause' })]) {
      const aborting = ask(current, { verb: 'abort' }, { by: 'anna', reason: 'too slow', nowMs: 1_000 })
      expect(aborting).toMatchObject({ state: 'Aborting', reason: 'Manual', weight: 0, routes: [], mirror: null })
      expect(aborting).toMatchObject({ detail: 'aborted by anna: too slow', resumesTo: null })
      expect(asked(aborting as Rollout, { verb: 'abort' })).toBe(aborting)
      for (const verb of VERBS) expect(refusal(aborting as Rollout, verb)).toMatchObject({ kind: 'conflict' })
    }
  })

  test('nothing moves a rollout that has ended', () => {
    const aborted = settle(asked(at50, { verb: 'abort' }), 2_000)
    const succeeded = observe(watching, seen(10_000_000))
    expect([aborted.state, succeeded.state]).toEqual(['Aborted', 'Succeeded'])
    for (const current of [aborted, succeeded])
      for (const verb of [...VERBS, { verb: 'abort' }] as const)
        expect(refusal(current, verb)).toMatchObject({ kind: 'conflict' })
  })
})

const VERBS: readonly RolloutVerb[] = [
  ...(['pause', 'resume', 'skip', 'back', 'retry'] as const).map((verb) => ({ verb })),
  { verb: 'promote', full: true },
  { verb: 'promote', full: false },
  { verb: 'setWeight', percent: 10 },
  { verb: 'approve', gate: 'approval' },
  { verb: 'reject', gate: 'approval' },
]

function soaked(current: Rollout) {
  return soak(current, 5) as NonNullable<ReturnType<typeof soak>>
}
