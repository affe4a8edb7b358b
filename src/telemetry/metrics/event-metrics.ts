import { type Metric, single } from './metric.ts'

const RESULTS = ['delivered', 'refused', 'failed'] as const

/** Readers of events, and webhooks. */
export const EVENT_METRICS: readonly Metric[] = [
  single('gauge', 'event_readers', 'Connected readers of GET /api/events.', ({ events }) => events.readers),
  single(
    'counter',
    'event_readers_cut_total',
    'Readers of GET /api/events that were cut because they did not read.',
    ({ events }) => events.readersCut,
  ),
  single(
    'counter',
    'events_dropped_total',
    'Events of this instance that were dropped because too many waited for the store.',
    ({ events }) => events.dropped,
  ),
  {
    type: 'counter',
    name: 'webhook_calls_total',
    help: 'Calls of webhooks by this instance: an event was delivered, was refused by a 4xx, or is sent again.',
    labels: ['webhook', 'result'],
    read: ({ events }) =>
      events.webhooks.flatMap((each) =>
        RESULTS.map((result) => ({ labels: [each.webhook, result], value: each[result] })),
      ),
  },
  {
    type: 'counter',
    name: 'webhook_dropped_total',
    help: 'Events that the log has dropped before a webhook took them.',
    labels: ['webhook'],
    read: ({ events }) => events.webhooks.map(({ webhook, dropped }) => ({ labels: [webhook], value: dropped })),
  },
  {
    type: 'gauge',
    name: 'webhook_backlog',
    help: 'Events that wait for a webhook; 0 at the instances that do not send.',
    labels: ['webhook'],
    read: ({ events }) => events.webhooks.map(({ webhook, backlog }) => ({ labels: [webhook], value: backlog })),
  },
]
