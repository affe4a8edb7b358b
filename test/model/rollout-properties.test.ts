import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { CallOutcome, Observation } from '../../src/model/rollout/observation.ts'
import { observe } from '../../src/model/rollout/observe.ts'
import { hasEnded, type Rollout } from '../../src/model/rollout/rollout.ts'
import type { Step } from '../../src/model/rollout/rollout-spec.ts'
import { ask, type RolloutVerb } from '../../src/model/rollout/verbs.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { ANNA, failing, rollout, seen, soak } from './rollout-support.ts'

const verbs: fc.Arbitrary<RolloutVerb> = fc.oneof(
  fc.constantFrom<RolloutVerb>(
    ...(['pause', 'resume', 'skip', 'back', 'retry'] as const).map((verb) => ({ verb })),
    { verb: 'promote', full: true },
    { verb: 'promote', full: false },
    { verb: 'approve', gate: 'qa' },
  ),
  fc.constantFrom<RolloutVerb>({ verb: 'abort' }, { verb: 'reject', gate: 'qa' }),
  fc.integer({ min: 1, max: 9 }).map((toStep): RolloutVerb => ({ verb: 'promote', full: false, toStep })),
  fc.integer({ min: 0, max: 100 }).map((percent): RolloutVerb => ({ verb: 'setWeight', percent })),
)
const UP = { up: 2, of: 2 }
const looks = fc.record({
  waitMs: fc.constantFrom(0, 100, 5_000, 5_000, 60_000, 1_000_000),
  lagging: fc.constantFrom<readonly string[]>([], [], [], ['b']),
  canary: fc.constantFrom(UP, UP, UP, UP, { up: 1, of: 2 }, { up: 0, of: 2 }),
  stable: fc.constantFrom(UP, UP, UP, UP, { up: 0, of: 2 }),
  minReady: fc.constantFrom(1, 1, 2),
  minRequests: fc.constantFrom(0, 50, 200),
  judged: fc.constantFrom('none', 'none', 'soak', 'soak', 'soak', 'failed', 'stableBad'),
  call: fc.constantFrom<boolean | null>(null, true, true, false),
  isStaleCall: fc.boolean(),
  frozen: fc.constantFrom(null, null, null, null, 'frozen'),
})
type Look = Exclude<typeof looks extends fc.Arbitrary<infer T> ? T : never, never>
type Event = RolloutVerb | Look

const steps = fc.array(
  fc.constantFrom<JsonObject>(
    { waitHealthy: {} },
    { hook: { url: 'http://127.0.0.1:1/', retries: 1 } },
    { setWeight: 5 },
    { setWeight: 50 },
    { mirror: { percent: 10 } },
    { analysis: { duration: '10s', maxDuration: '60s' } },
    { analysis: { duration: '5s' } },
    { pause: { for: '30s' } },
    { healthGate: { times: 2, interval: '1s' } },
  ),
  { minLength: 1, maxLength: 6 },
)
const settings = fc.record({
  onFailure: fc.constantFrom('abort', 'abort', 'pause'),
  ifStableUnhealthy: fc.constantFrom('pause', 'pause', 'fastTrack'),
  progressDeadline: fc.constantFrom('10m', '10m', '30s'),
})
const GATE = { pause: { name: 'qa', timeout: '10m' } }
const ROUTE = { route: { name: 'early', match: { header: { 'x-canary': '1' } } } }
const begun = fc
  .tuple(steps, fc.constantFrom<readonly JsonObject[]>([], [GATE], [ROUTE, GATE]), steps, settings)
  .map(([first, middle, last, rest]) => rollout({ steps: [...first, ...middle, ...last], ...rest }))

function observation(current: Rollout, look: Look, nowMs: number): Observation {
  const { lagging, canary, stable, minReady, minRequests, frozen, call, isStaleCall } = look
  const soaked = soak(current, 5) as NonNullable<Observation['judged']>
  const judged = {
    none: null,
    soak: soaked,
    failed: failing(current),
    stableBad: { ...soaked, isStableBad: true },
  }[look.judged as 'none']
  const { index, attempt, failures } = current.step
  const outcome: CallOutcome | null =
    call === null ? null : { index, attempt: isStaleCall ? attempt - 1 : attempt, failures, ok: call, detail: 'it' }
  return seen(nowMs, { lagging, canary, stable, minReady, minRequests, frozen, judged, call: outcome })
}

/** Plays a history; `check` sees what each event has made of the rollout. */
function play(
  begin: Rollout,
  history: readonly Event[],
  check: (before: Rollout, after: Rollout, event: RolloutVerb | Observation) => void,
): Rollout {
  let current = begin
  let nowMs = 0
  for (const event of history) {
    const before = current
    if ('verb' in event) {
      const next = ask(before, event, { ...ANNA, nowMs })
      if ('kind' in next) continue
      current = next
      check(before, current, event)
    } else {
      nowMs += event.waitMs
      const now = observation(before, event, nowMs)
      current = observe(before, now)
      check(before, current, now)
    }
  }
  return current
}

/** Holds for every history of looks, and of verbs unless told otherwise. */
function always(
  check: (before: Rollout, after: Rollout, event: RolloutVerb | Observation) => void,
  atEnd: (last: Rollout) => void = () => undefined,
): void {
  const histories = fc.array(fc.oneof({ arbitrary: verbs, weight: 1 }, { arbitrary: looks, weight: 4 }), {
    maxLength: 60,
    size: 'max',
  })
  fc.assert(
    fc.property(begun, histories, (begin, history) => atEnd(play(begin, history, check))),
    { numRuns: 600 },
  )
}

/** A person gives it more on purpose; `decide` refuses what the canary could not serve. */
const RAISING: ReadonlySet<RolloutVerb['verb']> = new Set(['setWeight', 'promote'])

test('the weight rises only in Progressing and Promoting, with a healthy canary, everything applied, and nothing that holds it', () => {
  always((before, after, event) => {
    if (after.weight <= before.weight) return
    if ('verb' in event) {
      expect(RAISING).toContain(event.verb)
      expect(['Progressing', 'Paused']).toContain(after.state)
      expect(['Pending', 'Initializing']).not.toContain(after.resumesTo)
      return
    }
    const { canary, minReady, lagging, frozen, judged } = event
    expect(['Progressing', 'Promoting']).toContain(after.state)
    expect(canary.up).toBeGreaterThanOrEqual(Math.max(1, minReady))
    expect([lagging, frozen, judged?.isStableBad ?? false]).toEqual([[], null, false])
    expect(after.metrics.map(({ verdict }) => verdict)).not.toContain('failed')
  })
})

test('routes and copies come only in Progressing, and are gone when it leaves or has ended', () => {
  always((before, after, event) => {
    const isMore = after.routes.length > before.routes.length || (after.mirror !== null && before.mirror === null)
    if (isMore && !('verb' in event)) expect([after.state, event.frozen]).toEqual(['Progressing', null])
    if (after.state === 'Aborting' || hasEnded(after)) expect([after.routes, after.mirror]).toEqual([[], null])
  })
})

test('after an abort the weight is 0 for ever, and once everything is applied it has ended', () => {
  let isLeaving = false
  always(
    (before, after, event) => {
      if (before.state === 'Pending') isLeaving = false
      isLeaving ||= after.state === 'Aborting'
      if (!isLeaving) return
      expect(after.weight).toBe(0)
      expect(after.reason).not.toBeNull()
      if (!('verb' in event) && before.state === 'Aborting')
        expect(after.state).toBe(event.lagging.length === 0 ? 'Aborted' : 'Aborting')
    },
    (last) => {
      if (last.state !== 'Aborting') return
      expect(observe(last, seen(10_000_000)).state).toBe('Aborted')
    },
  )
})

test('what has ended never moves, and Succeeded has all traffic', () => {
  always((before, after) => {
    if (hasEnded(before)) expect(after).toBe(before)
    if (after.state === 'Succeeded') expect([after.weight, before.weight]).toEqual([100, 100])
    if (hasEnded(after)) expect(after.endedMs).not.toBeNull()
  })
})

test('a step is left only by what was seen of it, or by a person', () => {
  always((before, after, event) => {
    if ('verb' in event || after.step.index <= before.step.index) return
    const { spec, step } = before
    for (let index = step.index; index < Math.min(after.step.index, spec.steps.length); index++) {
      const isStranded = event.stable.up < event.minReady && spec.ifStableUnhealthy === 'fastTrack'
      if (isStranded && after.state === 'Promoting') return
      const left = spec.steps[index] as Step
      expect([left.kind, mayBeLeft(before, left, index === step.index, event)]).toEqual([left.kind, true])
    }
  })
})

/** Whether what was seen completes a step. `isCurrent`: it is the one that the rollout was in. */
function mayBeLeft(
  { step, weight, spec, routes, mirror }: Rollout,
  left: Step,
  isCurrent: boolean,
  event: Observation,
): boolean {
  const { nowMs, canary, lagging, judged, call, minRequests, minReady, frozen } = event
  if (frozen !== null) return false
  const waitedMs = isCurrent ? nowMs - step.sinceMs : 0
  const isApplied = lagging.length === 0
  switch (left.kind) {
    case 'waitHealthy':
      return canary.up >= (left.servers ?? canary.of)
    case 'route':
      return isApplied && routes.includes(left.name)
    case 'mirror':
      return isApplied && mirror?.share === left.copies.share
    case 'setWeight':
      return isApplied && weight === left.percent && canary.up >= minReady
    case 'pause':
      return left.forMs !== null && waitedMs >= left.forMs
    case 'hook':
    case 'healthGate':
      return isCurrent && call?.ok === true && call.attempt === step.attempt
    case 'analysis': {
      const soakMs = step.soakMs + (judged?.soakMs ?? 0)
      const requests = step.canaryRequests + (judged?.canaryRequests ?? 0)
      const isPassed = isCurrent && soakMs >= left.durationMs && requests >= minRequests
      return isPassed && isApplied && spec.analysis.metrics.length > 0 && judged?.isStableBad !== true
    }
  }
}

test('verbs only go to steps that exist, and a pause knows the state to return to', () => {
  always((_before, after) => {
    expect(after.step.index).toBeLessThanOrEqual(after.spec.steps.length)
    if (after.state === 'Promoting' || after.state === 'Watching')
      expect(after.step.index).toBe(after.spec.steps.length)
    expect(after.resumesTo === null).toBe(after.state !== 'Paused')
    expect(['Paused', 'Aborting', 'Aborted', 'Succeeded', 'Superseded'].includes(after.resumesTo ?? '')).toBe(false)
    if (after.state === 'Paused') expect([after.reason, after.detail]).not.toContain(null)
  })
})

test('what is seen again changes nothing: the same object, so that nothing is committed', () => {
  always((_before, after, event) => {
    if ('verb' in event) return
    const again = { ...event, judged: null, call: null }
    let current = after
    for (let i = 0; i <= 2 * after.spec.steps.length + 3; i++) {
      const next = observe(current, again)
      if (next === current) return
      current = next
    }
    throw new Error(`${current.state} changes again and again`)
  })
})

test('a tick that has nothing to judge is no change', () => {
  always((_before, after, event) => {
    if ('verb' in event || event.judged !== null) return
    const settled = { ...event, call: null }
    if (observe(after, settled) !== after) return
    const empty = { ...(soak(after, 0, 0) as NonNullable<Observation['judged']>), isStableBad: false }
    if (after.reason !== 'BaselineDegraded') expect(observe(after, { ...settled, judged: empty })).toBe(after)
  })
})
