import { checkRollout } from '../../src/config/rollout-spec.ts'
import { newStep } from '../../src/model/rollout/moves.ts'
import type { Observation } from '../../src/model/rollout/observation.ts'
import type { Rollout } from '../../src/model/rollout/rollout.ts'
import { NOTHING_ROUTED } from '../../src/model/rollout/routed-shares.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { newMetric } from '../../src/rollout/judging.ts'

/** A rollout from blue to green, as it begins at the store's time 0. */
export function rollout(settings: JsonObject, servers = 2): Rollout {
  const checked = checkRollout(settings, {}, servers)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const { spec } = checked
  return {
    id: 'r1',
    service: 'shop',
    from: 'blue',
    to: 'green',
    by: 'anna',
    note: null,
    spec,
    state: 'Pending',
    reason: null,
    detail: null,
    resumesTo: null,
    weight: 0,
    step: newStep(0, 1, 0),
    routes: [],
    mirror: null,
    metrics: spec.analysis.metrics.map((metric) => newMetric(metric, spec)),
    shares: NOTHING_ROUTED,
    drift: 'ok',
    firstDecision: 1,
    judgedUntil: 0,
    stateSinceMs: 0,
    startedMs: 0,
    endedMs: null,
    epoch: 0,
    gateKey: 'key',
    forced: false,
  }
}

/** All is well: both pools are up, every instance has applied everything. */
export function seen(nowMs: number, more: Partial<Observation> = {}): Observation {
  return {
    nowMs,
    epoch: 0,
    lagging: [],
    canary: { up: 2, of: 2 },
    stable: { up: 2, of: 2 },
    minReady: 1,
    minRequests: 0,
    judged: null,
    slowMs: null,
    measured: {},
    call: null,
    frozen: null,
    ...more,
  }
}

/** A tick of the judge in which nothing was bad. */
export function soak(current: Rollout, seconds: number, requests = 100): Observation['judged'] {
  return {
    metrics: current.metrics,
    shares: current.shares,
    drift: 'ok',
    judgedUntil: current.judgedUntil + seconds,
    soakMs: seconds * 1_000,
    canaryRequests: requests,
    stableRequests: requests,
    isStableBad: false,
  }
}
