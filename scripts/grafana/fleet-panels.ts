import { lines, type Panel, states, table, thresholds } from './panels.ts'
import { series } from './select.ts'

/** Convergence of the fleet, and its store. */
export const FLEET_PANELS: readonly Panel[] = [
  lines({
    title: 'Revisions behind, by instance',
    description:
      'Revision of the state less that which all workers of the instance have in force. More than 0 for long: it routes by an older decision.',
    unit: 'short',
    steps: thresholds(1, 5),
    queries: {
      '{{exported_instance}}': `scalar(max(${series('revision')})) - max by (exported_instance) (${series('applied_revision')})`,
    },
  }),
  lines({
    title: 'Apply lag',
    description: 'Time until all workers had the last change in force. It rises while a change is not in force.',
    unit: 's',
    steps: thresholds(1, 10),
    queries: { '{{instance}}': `max by (instance) (${series('apply_lag_seconds')})` },
  }),
  lines({
    title: 'Waiting definitions and overrides',
    description:
      'Handovers: services that keep their previous definition until the servers of the new one are up. Overrides: changes with scope=local.',
    unit: 'short',
    queries: {
      'handovers {{instance}}': `max by (instance) (${series('handovers_pending')})`,
      'overrides {{instance}}': `max by (instance) (${series('overrides')})`,
    },
  }),
  states({
    title: 'Store',
    description: 'Whether the store can be reached and takes changes. Traffic continues without it, as last decided.',
    queries: {
      '{{instance}}': `min by (instance) (${series('store_up')}) + min by (instance) (${series('store_writable')})`,
    },
    states: [
      ['away', 'red'],
      ['takes no changes', 'orange'],
      ['up', 'green'],
    ],
  }),
  lines({
    title: 'Repairs of the store',
    description: 'Revisions that it has lost (make these changes again), and times an instance has restored it.',
    width: 6,
    unit: 'short',
    queries: {
      'lost revisions {{instance}}': `sum by (instance) (increase(${series('store_lost_revisions_total')}[$rate]))`,
      'restores {{instance}}': `sum by (instance) (increase(${series('store_restores_total')}[$rate]))`,
    },
  }),
  table({
    title: 'Instances',
    description: 'Versions of Cutover and Node.js, and the revision that the instance knows.',
    width: 6,
    labels: ['instance', 'version', 'node'],
    columns: [
      {
        title: 'Revision',
        unit: 'none',
        expr: `max by (instance) (${series('revision')}) * on (instance) group_right () max by (instance, version, node) (${series('build_info')})`,
      },
    ],
  }),
]
