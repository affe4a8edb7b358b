import { lines, type Panel } from './panels.ts'
import { rate, series } from './select.ts'

/** Events: their readers, and webhooks. */
export const EVENT_PANELS: readonly Panel[] = [
  lines({
    title: 'Calls of webhooks',
    description: 'Delivered, refused by a 4xx (the event is not sent again), or failed (it is).',
    unit: 'reqps',
    queries: { '{{webhook}} {{result}}': rate('webhook, result', 'webhook_calls_total') },
  }),
  lines({
    title: 'Events that wait for a webhook',
    description: 'More than 0 for long: the receiver is away or too slow.',
    unit: 'short',
    queries: { '{{webhook}}': `max by (webhook) (${series('webhook_backlog')})` },
  }),
  lines({
    title: 'Readers of events',
    description: 'Connected to GET /api/events.',
    unit: 'short',
    queries: { '{{instance}}': `sum by (instance) (${series('event_readers')})` },
  }),
  lines({
    title: 'Lost events',
    description:
      'Readers that were cut because they did not read, events dropped while the store was away, and events that a webhook missed.',
    unit: 'short',
    queries: {
      'readers cut {{instance}}': `sum by (instance) (increase(${series('event_readers_cut_total')}[$rate]))`,
      'dropped {{instance}}': `sum by (instance) (increase(${series('events_dropped_total')}[$rate]))`,
      'missed by {{webhook}}': `sum by (webhook) (increase(${series('webhook_dropped_total')}[$rate]))`,
    },
  }),
]
