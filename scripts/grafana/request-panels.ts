import { lines, type Panel, states } from './panels.ts'
import { rate, series } from './select.ts'

/** Requests: answers, retries, and what waits. */
export const REQUEST_PANELS: readonly Panel[] = [
  lines({
    title: 'Answers by status',
    description: '499: the client has left.',
    unit: 'reqps',
    queries: { '{{code}}': rate('code', 'requests_total') },
  }),
  lines({
    title: 'Retries by reason',
    description:
      'Requests sent again. Clients do not see what a retry has mended: many of them are the first sign of a bad server.',
    unit: 'reqps',
    queries: { '{{service}} {{reason}}': rate('service, reason', 'retries_total') },
  }),
  lines({
    title: 'Waiting requests',
    description: 'Queued: all servers have reached their limits. Held: the service is paused.',
    unit: 'short',
    queries: {
      'queued {{service}}': `sum by (service) (${series('queued_requests')})`,
      'held {{service}}': `sum by (service) (${series('held_requests')})`,
    },
  }),
  states({
    title: 'Mode of the services',
    description: 'Paused: requests are held. Stopped: requests are answered by Cutover.',
    queries: {
      '{{service}}': `max by (service) (${series('service_mode', 'mode="paused"')}) + 2 * max by (service) (${series('service_mode', 'mode="stopped"')})`,
    },
    states: [
      ['serving', 'green'],
      ['paused', 'yellow'],
      ['stopped', 'red'],
    ],
  }),
  states({
    title: 'Versions as reported',
    description: 'Whether the servers report the version of their pool (services with versionHeader).',
    queries: { '{{service}} {{pool}}': `max by (service, pool) (${series('version_mismatch')})` },
    states: [
      ['as the pool', 'green'],
      ['mismatch', 'red'],
    ],
  }),
]
