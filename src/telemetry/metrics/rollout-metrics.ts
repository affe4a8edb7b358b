import { type Metric, single } from './metric.ts'
import type { RolloutFigures } from './rollout-figures.ts'
import type { MetricsSnapshot } from './snapshot.ts'

const ROLLOUT = ['service', 'rollout'] as const

type Running = RolloutFigures['running'][number]

/** Rollouts: where they are, what is known, and how they have ended. */
export const ROLLOUT_METRICS: readonly Metric[] = [
  {
    type: 'gauge',
    name: 'rollout_info',
    help: '1; a rollout that runs, its pool, its state, and why it is paused.',
    labels: [...ROLLOUT, 'pool', 'state', 'reason'],
    read: ({ rollouts }) =>
      rollouts.running.map(({ service, id, to, state, reason }) => ({
        labels: [service, id, to, state, reason],
        value: 1,
      })),
  },
  gauge('rollout_step', 'Number of the step that a rollout is in, from 1.', ({ step }) => step),
  gauge('rollout_steps', 'Number of steps of a rollout.', ({ steps }) => steps),
  gauge('rollout_weight_percent', 'Share of the canary that a rollout has set.', ({ weight }) => weight),
  {
    type: 'gauge',
    name: 'rollout_weight_measured_percent',
    help: 'Share of the requests that the canary got in the last seconds.',
    labels: ROLLOUT,
    read: ({ rollouts }) =>
      rollouts.running.flatMap(({ service, id, measured }) =>
        measured === null ? [] : [{ labels: [service, id], value: measured }],
      ),
  },
  ofMetrics(
    'rollout_evidence',
    'Evidence that the canary is worse; the metric fails when it reaches the threshold.',
    ({ evidence }) => evidence,
  ),
  ofMetrics('rollout_evidence_threshold', 'Evidence at which the metric fails.', ({ threshold }) => threshold),
  {
    type: 'counter',
    name: 'rollouts_ended_total',
    help: 'Rollouts that have ended while this instance ran them; with the reason of an abort.',
    labels: ['service', 'outcome', 'reason'],
    read: ({ rollouts }) =>
      rollouts.ended.map(({ service, outcome, reason, count }) => ({
        labels: [service, outcome, reason],
        value: count,
      })),
  },
  {
    type: 'counter',
    name: 'rollout_duration_seconds_total',
    help: 'Time that these rollouts have taken together.',
    labels: ['service', 'outcome', 'reason'],
    read: ({ rollouts }) =>
      rollouts.ended.map(({ service, outcome, reason, seconds }) => ({
        labels: [service, outcome, reason],
        value: seconds,
      })),
  },
  single(
    'counter',
    'rollout_fuse_trips_total',
    'Fuses of rollouts that have tripped in the workers of this instance.',
    ({ rollouts }) => rollouts.fuseTrips,
  ),
  single(
    'counter',
    'rollout_leader_changes_total',
    'Number of times this instance has begun to run a rollout.',
    ({ rollouts }) => rollouts.taken,
  ),
  single(
    'counter',
    'rollout_fenced_writes_total',
    'Writes of this instance that were refused because another instance runs the rollout.',
    ({ rollouts }) => rollouts.fenced,
  ),
]

function gauge(name: string, help: string, numberOf: (running: Running) => number): Metric {
  const read = ({ rollouts }: MetricsSnapshot) =>
    rollouts.running.map((each) => ({ labels: [each.service, each.id], value: numberOf(each) }))
  return { type: 'gauge', name, help, labels: ROLLOUT, read }
}

function ofMetrics(name: string, help: string, numberOf: (metric: Running['metrics'][number]) => number): Metric {
  const read = ({ rollouts }: MetricsSnapshot) =>
    rollouts.running.flatMap(({ service, id, metrics }) =>
      metrics.map((metric) => ({ labels: [service, id, metric.name], value: numberOf(metric) })),
    )
  return { type: 'gauge', name, help, labels: [...ROLLOUT, 'metric'], read }
}
