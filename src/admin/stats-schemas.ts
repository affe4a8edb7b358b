import { count, instant, listOf, object, revision, type Schema, text } from './schema-parts.ts'

const share = (description: string): Schema => ({ type: ['number', 'null'], minimum: 0, maximum: 1, description })
const duration = (percent: number): Schema => ({
  type: ['number', 'null'],
  minimum: 0,
  description: `Duration, ms, that ${percent} % of the requests did not exceed; null = there were none.`,
})

const figures = {
  requests: { ...count, description: 'Requests that have ended.' },
  rate: { type: 'number', minimum: 0, description: 'Requests per second.' },
  errorRate: share('Share of the requests with a 5xx or a response that broke off; null = there were no requests.'),
  successRate: share(
    'Share of the requests answered without an error. Requests whose client has left are in neither share.',
  ),
  p50: duration(50),
  p95: duration(95),
  p99: duration(99),
  inFlight: { ...count, description: 'Requests and tunnels in flight now.' },
  queued: { ...count, description: 'Requests that wait for a server now.' },
  held: { ...count, description: 'Requests held now because the service is paused.' },
  retries: { ...count, description: 'Requests sent again after a try that failed.' },
  mirrored: { ...count, description: 'Copies of requests sent to it.' },
}

const column = (description: string): Schema => ({
  type: 'array',
  items: { type: ['number', 'null'] },
  description: `${description} At each of \`times\`; null = there were no requests.`,
})

/** The answers of the routes of figures. */
export const statsAnswers = {
  StatsOverTime: object({
    revision,
    service: text,
    window: text,
    stepSeconds: count,
    times: { type: 'array', items: instant, description: 'End of each step.' },
    pools: listOf('PoolOverTime'),
  }),
  PoolOverTime: object({
    name: text,
    version: text,
    rate: column('Requests per second.'),
    errorRate: column('Share of the requests with a 5xx or a response that broke off.'),
    p50: column('Duration, ms, that 50 % of the requests did not exceed.'),
    p95: column('Duration, ms, that 95 % of the requests did not exceed.'),
    p99: column('Duration, ms, that 99 % of the requests did not exceed.'),
  }),
  Stats: object({
    revision,
    window: text,
    from: {
      ...instant,
      description: 'Begin of the window: later than its length says if there are no earlier counts.',
    },
    at: { ...instant, description: 'End of the window.' },
    services: listOf('ServiceStats'),
  }),
  ServiceStats: object({ name: text, ...figures, pools: listOf('PoolStats') }),
  PoolStats: object({ name: text, version: text, ...figures, servers: listOf('ServerStats') }),
  ServerStats: object({ name: text, ...figures }),
}
