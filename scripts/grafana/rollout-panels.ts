import { lines, type Panel, table } from './panels.ts'
import { series } from './select.ts'

/** Rollouts: where they are, and the evidence against their canaries. */
export const ROLLOUT_PANELS: readonly Panel[] = [
  table({
    title: 'Rollouts that run',
    description: 'Their state, and why they are paused.',
    labels: ['service', 'rollout', 'pool', 'state', 'reason'],
    columns: [
      { title: 'Step', unit: 'short', expr: `max by (service, rollout) (${series('rollout_step')})` },
      { title: 'Of', unit: 'short', expr: `max by (service, rollout) (${series('rollout_steps')})` },
      {
        title: 'Runs',
        unit: 'short',
        expr: `max by (service, rollout, pool, state, reason) (${series('rollout_info')})`,
      },
    ],
  }),
  lines({
    title: 'Weight of the canary',
    description: 'The share that the rollout has set, and the one that the canary got in the last seconds.',
    unit: 'percent',
    queries: {
      'set {{service}} {{rollout}}': `max by (service, rollout) (${series('rollout_weight_percent')})`,
      'measured {{service}} {{rollout}}': `max by (service, rollout) (${series('rollout_weight_measured_percent')})`,
    },
  }),
  lines({
    title: 'Evidence that the canary is worse',
    description: 'Part of the evidence at which a metric fails: at 1 it has failed.',
    unit: 'percentunit',
    queries: {
      '{{service}} {{metric}}': `max by (service, rollout, metric) (${series('rollout_evidence')}) / max by (service, rollout, metric) (${series('rollout_evidence_threshold')})`,
    },
  }),
  lines({
    title: 'Ended rollouts',
    description: 'Rollouts that have ended, by outcome and reason, and how long they took together.',
    unit: 'short',
    queries: {
      '{{service}} {{outcome}} {{reason}}': `sum by (service, outcome, reason) (increase(${series('rollouts_ended_total')}[$rate]))`,
      'seconds {{service}} {{outcome}}': `sum by (service, outcome) (increase(${series('rollout_duration_seconds_total')}[$rate]))`,
    },
  }),
  lines({
    title: 'Fuses, leaders and fenced writes',
    description:
      'Fuses that have tripped, instances that have begun to run a rollout, and writes refused to those that no longer do.',
    unit: 'short',
    queries: {
      'fuses {{instance}}': `sum by (instance) (increase(${series('rollout_fuse_trips_total')}[$rate]))`,
      'leaders {{instance}}': `sum by (instance) (increase(${series('rollout_leader_changes_total')}[$rate]))`,
      'fenced {{instance}}': `sum by (instance) (increase(${series('rollout_fenced_writes_total')}[$rate]))`,
    },
  }),
]
