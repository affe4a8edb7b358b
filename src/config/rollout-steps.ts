import type { Step } from '../model/rollout/rollout-spec.ts'
import { matchOf } from './match.ts'
import { childPath, type Problems } from './problems.ts'
import type { RolloutSettings } from './schema/rollout.ts'

type StepSettings = NonNullable<RolloutSettings['steps']>[number]

/** Judged weights of the canary; the last one leaves a control group. */
const CANARY_WEIGHTS = [5, 25, 50, 98]
const CANARY_STEP_MS = 5 * 60_000
const ROLLING_STEP_MS = 60_000
/** Of an analysis without `maxDuration`: its duration times this. */
const MAX_DURATION_FACTOR = 6
/** Factor of a ramp that has neither `factor` nor `by`. */
const RAMP_FACTOR = 2

/** Checks steps beyond the schema: one key each, names only once, ramps that rise. */
export function checkSteps(steps: readonly StepSettings[], path: string, problems: Problems): void {
  const names = new Set<string>()
  for (const [index, step] of steps.entries()) {
    const at = childPath(path, index)
    const kinds = Object.keys(step)
    if (kinds.length > 1) problems.add(at, `is one step, so it has one key, not ${kinds.join(' and ')}`)
    const { ramp, pause, route } = step
    if (ramp !== undefined && !problems.has(at)) {
      if (ramp.to <= ramp.from) problems.add(childPath(at, 'ramp'), 'must rise: "to" is above "from"')
      if (ramp.factor !== undefined && ramp.by !== undefined)
        problems.add(childPath(at, 'ramp'), 'has factor or by, not both')
      if (ramp.factor !== undefined && ramp.from === 0)
        problems.add(childPath(at, 'ramp'), 'a factor needs a "from" above 0')
    }
    if (pause?.for !== undefined && pause.timeout !== undefined)
      problems.add(childPath(at, 'pause'), 'has for (a time) or timeout (of an approval), not both')
    const name = pause?.name ?? route?.name
    if (name === undefined) continue
    if (names.has(name)) problems.add(at, `the name ${JSON.stringify(name)} is taken by an earlier step`)
    names.add(name)
  }
}

/** The steps of a rollout. `servers`: number of servers of the canary. */
export function stepsOf(settings: RolloutSettings, servers: number): readonly Step[] {
  const { steps, strategy = 'canary', stepDuration } = settings
  if (steps !== undefined) return written(steps)
  switch (strategy) {
    case 'canary':
      return [HEALTHY, ...judged(CANARY_WEIGHTS, stepDuration ?? CANARY_STEP_MS)]
    case 'rolling': {
      const weights = Array.from({ length: Math.max(0, servers - 1) }, (_, i) => share((i + 1) / servers))
      return [HEALTHY, ...judged(weights, stepDuration ?? ROLLING_STEP_MS)]
    }
    case 'blueGreen':
      return settings.approval ? [HEALTHY, APPROVAL] : [HEALTHY]
    case 'healthGate': {
      const { path, times, interval } = settings.healthGate ?? { path: '/health', times: 5, interval: 10_000 }
      return [HEALTHY, { kind: 'setWeight', percent: 100 }, { kind: 'healthGate', path, times, intervalMs: interval }]
    }
  }
}

const HEALTHY: Step = { kind: 'waitHealthy', servers: null, timeoutMs: null }
const APPROVAL: Step = { kind: 'pause', name: 'approval', forMs: null, timeoutMs: null, onTimeout: 'abort' }

function share(part: number): number {
  return Math.round(part * 10_000) / 100
}

function judged(weights: readonly number[], durationMs: number): Step[] {
  return weights.flatMap((percent): Step[] => [{ kind: 'setWeight', percent }, analysis(durationMs)])
}

function analysis(durationMs: number, maxDurationMs = durationMs * MAX_DURATION_FACTOR): Step {
  return { kind: 'analysis', durationMs, maxDurationMs: Math.max(durationMs, maxDurationMs) }
}

function written(steps: readonly StepSettings[]): Step[] {
  let gates = 0
  return steps.flatMap((step): Step[] => {
    if (step.waitHealthy !== undefined) {
      const { servers = null, timeout = null } = step.waitHealthy
      return [{ kind: 'waitHealthy', servers, timeoutMs: timeout }]
    }
    if (step.route !== undefined) return [{ kind: 'route', name: step.route.name, match: matchOf(step.route.match) }]
    if (step.mirror !== undefined) {
      const { percent, methods, bodyBytes, inFlight } = step.mirror
      const copies = { share: Math.round(percent * 100), methods: [...new Set(methods)], bodyBytes, inFlight }
      return [{ kind: 'mirror', copies }]
    }
    if (step.hook !== undefined) {
      const { url, timeout, retries } = step.hook
      return [{ kind: 'hook', url, timeoutMs: timeout, retries }]
    }
    if (step.setWeight !== undefined) return [{ kind: 'setWeight', percent: step.setWeight }]
    if (step.ramp !== undefined) return judged(rampWeights(step.ramp), step.ramp.interval)
    if (step.pause !== undefined) {
      const { name, for: forMs = null, timeout = null, onTimeout } = step.pause
      if (forMs === null) gates++
      return [{ kind: 'pause', name: name ?? `gate-${gates}`, forMs, timeoutMs: timeout, onTimeout }]
    }
    if (step.analysis !== undefined) return [analysis(step.analysis.duration, step.analysis.maxDuration)]
    if (step.healthGate !== undefined) {
      const { path, times, interval } = step.healthGate
      return [{ kind: 'healthGate', path, times, intervalMs: interval }]
    }
    return []
  })
}

/** 5 to 50 by a factor of 2: 5, 10, 20, 40, 50. */
function rampWeights({ from, to, factor, by }: NonNullable<StepSettings['ramp']>): number[] {
  const weights: number[] = []
  const nextOf = (weight: number) => (by === undefined ? weight * (factor ?? RAMP_FACTOR) : weight + by)
  for (let weight = from; weight < to && weights.length < MAX_RAMP; weight = share(nextOf(weight) / 100))
    weights.push(weight)
  return [...weights, to]
}

const MAX_RAMP = 1_000
