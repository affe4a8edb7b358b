/** Figures of the events of an instance. */
export interface EventFigures {
  /** Readers of events that are connected. */
  readonly readers: number
  readonly readersCut: number
  /** Events that too many others kept from waiting for the store. */
  readonly dropped: number
  readonly webhooks: readonly {
    readonly webhook: string
    readonly delivered: number
    readonly refused: number
    readonly failed: number
    readonly dropped: number
    readonly backlog: number
  }[]
}

const RESULTS = ['delivered', 'refused', 'failed'] as const

interface EventMetric {
  readonly type: 'counter' | 'gauge'
  readonly name: string
  readonly help: string
  readonly read: (
    figures: EventFigures,
  ) => readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
}

const one = (value: number) => [{ labels: {}, value }]

/** The metrics of events. */
export const EVENT_METRICS: readonly EventMetric[] = [
  {
    type: 'gauge',
    name: 'event_readers',
    help: 'Connected readers of GET /api/events.',
    read: ({ readers }) => one(readers),
  },
  {
    type: 'counter',
    name: 'event_readers_cut_total',
    help: 'Readers of GET /api/events that were cut because they did not read.',
    read: ({ readersCut }) => one(readersCut),
  },
  {
    type: 'counter',
    name: 'events_dropped_total',
    help: 'Events of this instance that were dropped because too many waited for the store.',
    read: ({ dropped }) => one(dropped),
  },
  {
    type: 'counter',
    name: 'webhook_calls_total',
    help: 'Calls of webhooks by this instance: an event was delivered, was refused by a 4xx, or is sent again.',
    read: ({ webhooks }) =>
      webhooks.flatMap((each) =>
        RESULTS.map((result) => ({ labels: { webhook: each.webhook, result }, value: each[result] })),
      ),
  },
  {
    type: 'counter',
    name: 'webhook_dropped_total',
    help: 'Events that the log has dropped before a webhook took them.',
    read: ({ webhooks }) => webhooks.map(({ webhook, dropped }) => ({ labels: { webhook }, value: dropped })),
  },
  {
    type: 'gauge',
    name: 'webhook_backlog',
    help: 'Events that wait for a webhook; 0 at the instances that do not send.',
    read: ({ webhooks }) => webhooks.map(({ webhook, backlog }) => ({ labels: { webhook }, value: backlog })),
  },
]
