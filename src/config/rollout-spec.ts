import { own } from '../model/names.ts'
import type { AnalysisSpec, MetricSpec, RolloutSpec } from '../model/rollout/rollout-spec.ts'
import type { JsonObject } from '../model/state.ts'
import type { Problem } from './config.ts'
import { childPath, Problems } from './problems.ts'
import { isKeyed, read } from './read.ts'
import { checkSteps, stepsOf } from './rollout-steps.ts'
import { RolloutSchema, type RolloutSettings } from './schema/rollout.ts'
import { parsePercent } from './units.ts'

const WATCH_MS = 600_000

export type CheckedRollout =
  | { readonly ok: true; readonly spec: RolloutSpec }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * Checks what a rollout is asked for, over the default of its service, and resolves it. A strategy in the request takes the
 * place of the default's steps, and the other way round. `servers`: number of servers of the canary.
 */
export function checkRollout(asked: JsonObject, service: JsonObject, servers: number): CheckedRollout {
  const problems = new Problems()
  const base = own(service, 'rollout')
  const settings = read(RolloutSchema, merged(isKeyed(base) ? (base as JsonObject) : {}, asked), '', problems)
  checkRolloutMeaning(settings, '', problems)
  return problems.list.length === 0
    ? { ok: true, spec: resolve(settings, servers) }
    : { ok: false, problems: problems.list }
}

function merged(base: JsonObject, asked: JsonObject): JsonObject {
  const { steps, strategy, ...rest } = base
  const isReplaced = asked.steps !== undefined || asked.strategy !== undefined
  const kept = isReplaced
    ? {}
    : { ...(steps === undefined ? {} : { steps }), ...(strategy === undefined ? {} : { strategy }) }
  return { ...rest, ...kept, ...asked }
}

/** Checks beyond the schema. `settings` may have gaps where `problems` already has an entry. */
export function checkRolloutMeaning(settings: RolloutSettings, path: string, problems: Problems): void {
  if (!isKeyed(settings)) return
  const { steps, strategy, analysis } = settings
  if (steps !== undefined && strategy !== undefined)
    problems.add(childPath(path, 'steps'), 'are in place of a strategy; give one of the two')
  if (Array.isArray(steps)) checkSteps(steps, childPath(path, 'steps'), problems)
  const at = childPath(childPath(path, 'analysis'), 'metrics')
  if (isKeyed(analysis) && Array.isArray(analysis.metrics)) checkMetrics(analysis.metrics, at, problems)
}

type MetricSettings = NonNullable<RolloutSettings['analysis']['metrics']>[number]

function checkMetrics(metrics: readonly MetricSettings[], path: string, problems: Problems): void {
  const names = new Set<string>()
  for (const [index, metric] of metrics.entries()) {
    const at = childPath(path, index)
    if (problems.has(at)) continue
    if (names.has(metric.name)) problems.add(childPath(at, 'name'), `${JSON.stringify(metric.name)} is taken already`)
    names.add(metric.name)
    if (metric.kind === 'web') {
      if (metric.url === undefined)
        problems.add(childPath(at, 'url'), 'is missing; a web metric asks for its number there')
      if (metric.min === undefined && metric.max === undefined)
        problems.add(at, 'needs a min or a max, or it could not fail')
      if (typeof metric.max === 'string') problems.add(childPath(at, 'max'), 'expected a number for a web metric')
    } else if (typeof metric.max === 'number' && metric.max !== 0) {
      problems.add(childPath(at, 'max'), 'expected a percentage such as 1%')
    }
  }
}

function resolve(settings: RolloutSettings, servers: number): RolloutSpec {
  const { strategy = 'canary', fuse, onStoreLoss, watch } = settings
  const isOwn = settings.steps !== undefined
  return {
    strategy: isOwn ? 'steps' : strategy,
    steps: stepsOf(settings, servers),
    analysis: resolveAnalysis(settings.analysis),
    fuse: fuse && {
      windowMs: fuse.window,
      minRequests: fuse.minRequests,
      errorRate: fuse.errorRate / 100,
      stableMax: fuse.stableMax / 100,
    },
    onFailure: settings.onFailure,
    ifStableUnhealthy: settings.ifStableUnhealthy,
    onStoreLoss: { afterMs: onStoreLoss.after, action: onStoreLoss.action },
    // The gate has asked already whether all is well.
    watchMs: watch?.duration ?? (!isOwn && strategy === 'healthGate' ? 0 : WATCH_MS),
    progressDeadlineMs: settings.progressDeadline,
    maxDurationMs: settings.maxDuration,
  }
}

function resolveAnalysis({ tick, metrics, ...rest }: RolloutSettings['analysis']): AnalysisSpec {
  return { ...rest, tickMs: tick, metrics: metrics === undefined ? DEFAULT_METRICS : metrics.map(metricOf) }
}

const COMPARED = { allowedIncrease: 1.25, max: null, absolute: 'hold', dryRun: false } as const
const DEFAULT_METRICS: readonly MetricSpec[] = [
  { kind: 'errorRate', name: 'errors', ...COMPARED },
  { kind: 'latency', name: 'slow', thresholdMs: null, ...COMPARED },
]

function metricOf(metric: MetricSettings): MetricSpec {
  const { name, kind, allowedIncrease, max, absolute, dryRun } = metric
  if (kind === 'web')
    return {
      kind,
      name,
      url: metric.url ?? '',
      jsonPath: metric.jsonPath,
      min: metric.min ?? null,
      max: typeof max === 'number' ? max : null,
      intervalMs: metric.interval,
      failureLimit: metric.failureLimit,
      dryRun,
    }
  const share = max === undefined ? null : (parsePercent(max) ?? 0) / 100
  const compared = { name, allowedIncrease, max: share, absolute, dryRun }
  if (kind === 'errorRate') return { kind, ...compared }
  const { threshold = 'auto' } = metric
  return { kind, thresholdMs: threshold === 'auto' ? null : threshold, ...compared }
}
