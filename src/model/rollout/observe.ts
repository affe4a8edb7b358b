import { own } from '../names.ts'
import { aborting, ended, enterStep, failed, inState, paused, resumed, stepOf } from './moves.ts'
import type { Observation } from './observation.ts'
import { hasEnded, type MetricStanding, type Rollout } from './rollout.ts'
import { advance, isAwaiting, overdue } from './steps.ts'

/** Reasons of pauses that end by themselves. */
const PASSING: ReadonlySet<Rollout['reason']> = new Set(['BaselineDegraded', 'ProviderError', 'Frozen'])
/** Reasons of pauses in which failures do not abort a second time. */
const HELD: ReadonlySet<Rollout['reason']> = new Set(['FailureHeld'])

/** Moves a rollout by what the leader knows. Pure. Returns the same object if nothing changes. */
export function observe(rollout: Rollout, seen: Observation): Rollout {
  if (hasEnded(rollout)) return rollout
  const { nowMs, epoch, lagging } = seen
  const judged = withLearned(withJudged(rollout, seen), seen)
  const current = judged.epoch === epoch ? judged : { ...judged, epoch }
  if (current.state === 'Aborting') return lagging.length === 0 ? ended(current, 'Aborted', nowMs) : current
  return failure(current, seen) ?? (current.state === 'Paused' ? whilePaused(current, seen) : onward(current, seen))
}

function withJudged(rollout: Rollout, { judged }: Observation): Rollout {
  if (judged === null || judged.judgedUntil === rollout.judgedUntil) return rollout
  const { metrics, shares, drift, judgedUntil, soakMs, canaryRequests, stableRequests } = judged
  const { step } = rollout
  const soaks = rollout.state === 'Progressing'
  return {
    ...rollout,
    metrics,
    shares,
    drift,
    judgedUntil,
    step: soaks
      ? {
          ...step,
          soakMs: step.soakMs + soakMs,
          canaryRequests: step.canaryRequests + canaryRequests,
          stableRequests: step.stableRequests + stableRequests,
        }
      : step,
  }
}

/** Freezes the threshold of slow requests, and takes the measurements of web metrics. */
function withLearned(rollout: Rollout, { slowMs, measured }: Observation): Rollout {
  let isChanged = false
  const metrics = rollout.metrics.map((standing): MetricStanding => {
    const metric = rollout.spec.analysis.metrics.find(({ name }) => name === standing.name)
    if (metric?.kind === 'latency' && standing.thresholdMs === null && slowMs !== null) {
      isChanged = true
      return { ...standing, thresholdMs: slowMs }
    }
    const web = own(measured, standing.name)
    if (metric?.kind !== 'web' || web === undefined) return standing
    isChanged = true
    const hasFailed = web.failuresInRow > metric.failureLimit
    return { ...standing, web, verdict: hasFailed ? 'failed' : web.value === null ? 'none' : 'ok' }
  })
  return isChanged ? { ...rollout, metrics } : rollout
}

/** The rollout after a failure, whatever its phase; null = there is none. */
function failure(rollout: Rollout, { nowMs, canary, stable }: Observation): Rollout | null {
  const { spec, weight, metrics, reason } = rollout
  if (weight > 0 && canary.up === 0 && canary.of > 0 && stable.up > 0) {
    const detail = `none of the ${canary.of} servers of ${rollout.to} is up`
    return aborting(rollout, 'CanaryUnhealthy', detail, nowMs)
  }
  if (HELD.has(reason)) return null
  const worst = metrics.find((metric) => isFailed(rollout, metric))
  if (worst !== undefined) return failed(rollout, 'MetricFailed', describeFailure(worst), nowMs)
  if (rollout.state !== 'Watching' && nowMs - (rollout.forgivenMs ?? rollout.startedMs) > spec.maxDurationMs)
    return failed(rollout, 'MaxDuration', 'it has taken longer than maxDuration', nowMs)
  return null
}

function isFailed({ spec }: Rollout, { name, verdict }: MetricStanding): boolean {
  const metric = spec.analysis.metrics.find((each) => each.name === name)
  if (metric === undefined || metric.dryRun) return false
  if (verdict === 'failed') return true
  return verdict === 'overMax' && metric.kind !== 'web' && metric.absolute === 'abort'
}

/** Describes a metric that has failed, with its figures. */
export function describeFailure({ name, canary, stable, web }: MetricStanding): string {
  if (web !== null) return `${name} was ${web.value}`
  const share = ({ requests, bad }: MetricStanding['canary']): string =>
    `${bad} of ${requests} (${requests === 0 ? 0 : Math.round((bad / requests) * 10_000) / 100} %)`
  return `${name}: ${share(canary)} at the canary, ${share(stable)} at the stable pool`
}

function whilePaused(rollout: Rollout, seen: Observation): Rollout {
  const { reason, resumesTo } = rollout
  if (PASSING.has(reason)) return holdReason(rollout, seen) === null ? resumed(rollout, seen.nowMs) : rollout
  const isInStep = reason === 'Step' || reason === 'Gate'
  if (!isInStep) return rollout
  // The time of a pause goes on while it is watched.
  const next = advance({ ...rollout, state: resumesTo ?? 'Progressing' }, seen)
  if (next.state === 'Paused' && next.step.index === rollout.step.index) return rollout
  const hold = next.state === 'Aborting' ? null : holdReason(rollout, seen)
  return hold === null ? next : paused(rollout, hold.reason, hold.detail, seen.nowMs)
}

/** Why the rollout must not go on for the moment; null = it may. */
function holdReason(
  { spec, metrics, reason }: Rollout,
  { judged, stable, minReady, frozen, canary }: Observation,
): { readonly reason: 'BaselineDegraded' | 'ProviderError' | 'Frozen'; readonly detail: string } | null {
  if (frozen !== null) return { reason: 'Frozen', detail: frozen }
  if (judged?.isStableBad ?? reason === 'BaselineDegraded')
    return {
      reason: 'BaselineDegraded',
      detail: 'many requests fail at the stable pool: nothing can be said about the canary',
    }
  const isShort = stable.up < Math.min(minReady, stable.of)
  const fastTracks = spec.ifStableUnhealthy === 'fastTrack' && canary.up >= minReady
  if (isShort && !fastTracks)
    return { reason: 'BaselineDegraded', detail: `${stable.up} of ${stable.of} servers of the stable pool are up` }
  const unknown = metrics.find(({ name, web }) => web !== null && web.problem !== null && !isDryRun(spec, name))
  return unknown === undefined ? null : { reason: 'ProviderError', detail: `${unknown.name}: ${unknown.web?.problem}` }
}

function isDryRun({ analysis }: Rollout['spec'], metric: string): boolean {
  return analysis.metrics.some(({ name, dryRun }) => name === metric && dryRun)
}

function onward(rollout: Rollout, seen: Observation): Rollout {
  const { nowMs, stable, canary, minReady, lagging } = seen
  if (rollout.state === 'Watching') return watched(rollout, seen)
  const hold = holdReason(rollout, seen)
  if (hold !== null) return paused(rollout, hold.reason, hold.detail, nowMs)
  const isStranded = stable.up < Math.min(minReady, stable.of) && canary.up >= minReady && rollout.weight > 0
  if (isStranded && rollout.state === 'Progressing')
    return promoted(enterStep(rollout, rollout.spec.steps.length, nowMs), seen)
  // It may take the place of another rollout, whose canary must have lost its share everywhere.
  if (rollout.state === 'Pending') {
    if (lagging.length > 0) return overdue(rollout, seen)
    const begun = enterStep(rollout, 0, nowMs)
    return isAwaiting(rollout, begun) ? begun : onward(begun, seen)
  }
  if (rollout.state === 'Promoting') return promoted(rollout, seen)
  const next = advance(rollout, seen)
  return next.state === 'Promoting' ? promoted(next, seen) : next
}

/** Gives the canary all requests, and watches it then. */
function promoted(rollout: Rollout, { nowMs, canary, minReady, lagging }: Observation): Rollout {
  const { spec, weight } = rollout
  if (weight < 100) {
    if (canary.up >= Math.max(1, minReady) && lagging.length === 0)
      return { ...rollout, weight: 100, stateSinceMs: nowMs }
    if (nowMs - rollout.stateSinceMs <= spec.progressDeadlineMs) return rollout
    return failed(rollout, 'ProgressDeadline', `too few servers of ${rollout.to} are up for the promotion`, nowMs)
  }
  if (lagging.length > 0) return rollout
  const next = inState(rollout, 'Watching', nowMs)
  return spec.watchMs === 0 ? ended(next, 'Succeeded', nowMs) : next
}

function watched(rollout: Rollout, { nowMs }: Observation): Rollout {
  return nowMs - rollout.stateSinceMs >= rollout.spec.watchMs ? ended(rollout, 'Succeeded', nowMs) : rollout
}

/** The current step, if the engine has to call somebody for it now. */
export function dueCall(
  rollout: Rollout,
  nowMs: number,
): Extract<ReturnType<typeof stepOf>, { kind: 'hook' | 'healthGate' }> | null {
  const step = stepOf(rollout)
  if (step?.kind !== 'hook' && step?.kind !== 'healthGate') return null
  const isOn = rollout.state === 'Initializing' || rollout.state === 'Progressing'
  return isOn && nowMs >= rollout.step.nextAtMs ? step : null
}
