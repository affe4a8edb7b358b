import { type StaticDecode, Type } from 'typebox'
import { PERCENT_PATTERN } from '../units.ts'
import * as kind from './kinds.ts'
import { MirrorFields } from './policies.ts'
import { MatchSchema } from './routes.ts'

const url = (description: string) =>
  kind.parsed(parseUrl, {
    description,
    errorMessage: 'expected http://HOST/PATH or https://HOST/PATH, without credentials',
  })

/** Names of gates, routes and metrics, which are used in URLs and labels. */
const name = (description: string) =>
  kind.text({ description, pattern: kind.NAME_PATTERN, errorMessage: `expected a name; ${kind.NAME_RULE}` })

const percentage = (description: string) => kind.share({ description })

/** One step: a mapping with one key, its kind. */
export const StepSchema = kind.section(
  {
    waitHealthy: Type.Optional(
      kind.section(
        {
          servers: Type.Optional(kind.count({ description: 'Number of servers; by default all.', minimum: 1 })),
          timeout: Type.Optional(kind.duration({ description: 'Max time; by default progressDeadline.', minMs: 1 })),
        },
        { description: 'Waits until servers of the pool are up.' },
      ),
    ),
    route: Type.Optional(
      kind.section(
        { name: name('Name of the route in figures.'), match: MatchSchema },
        { description: 'Sends matching requests to the pool until the end of the rollout.' },
      ),
    ),
    mirror: Type.Optional(
      kind.section(MirrorFields, { description: 'Sends copies of requests to the pool; percent: 0 ends that.' }),
    ),
    hook: Type.Optional(
      kind.section(
        {
          url: url('Called by POST; a 2xx goes on.'),
          timeout: kind.duration({ description: 'Max time of a call.', default: '10s', minMs: 1 }),
          retries: kind.count({ description: 'Further calls after one that fails.', default: 2, maximum: 100 }),
        },
        { description: 'Calls a URL, and goes on when it answers 2xx.' },
      ),
    ),
    setWeight: Type.Optional(percentage('Share of the requests that the pool gets.')),
    ramp: Type.Optional(
      kind.section(
        {
          from: percentage('First weight.'),
          to: percentage('Last weight.'),
          factor: Type.Optional(
            Type.Number({
              description: 'Each weight is so many times the one before.',
              minimum: 1.01,
              maximum: 100,
              errorMessage: 'expected a number from 1.01 to 100',
            }),
          ),
          by: Type.Optional(percentage('Each weight is so much more than the one before.')),
          interval: kind.duration({ description: 'How long each weight is judged.', default: '3m', minMs: 1 }),
        },
        { description: 'Raises the weight step by step, each one judged.' },
      ),
    ),
    pause: Type.Optional(
      kind.section(
        {
          name: Type.Optional(name('Name of the gate; by default gate-1, gate-2 and so on.')),
          for: Type.Optional(kind.duration({ description: 'How long; by default until it is approved.', minMs: 1 })),
          timeout: Type.Optional(kind.duration({ description: 'Max time to wait for an approval.', minMs: 1 })),
          onTimeout: kind.choice(['abort', 'approve'], {
            description: 'What happens when nobody has approved in time.',
            default: 'abort',
          }),
        },
        { description: 'Waits for a time, or for an approval.' },
      ),
    ),
    analysis: Type.Optional(
      kind.section(
        {
          duration: kind.duration({ description: 'How long both pools are compared.', default: '5m', minMs: 1 }),
          maxDuration: Type.Optional(
            kind.duration({
              description: 'Max time to gather enough evidence; by default six times duration.',
              minMs: 1,
            }),
          ),
        },
        { description: 'Compares the pool with the stable one; goes on if it is no worse.' },
      ),
    ),
    healthGate: Type.Optional(healthGate()),
  },
  {
    description: 'One step.',
    errorMessage: 'expected one step, such as {setWeight: 5} or {pause: {for: 10m}}',
    minProperties: 1,
  },
)

function healthGate() {
  return kind.section(
    {
      path: kind.text({
        description: 'Path that servers of the pool are asked for.',
        pattern: '^/[^\\s]*$',
        errorMessage: 'expected a path such as /health',
        default: '/health',
      }),
      times: kind.count({ description: 'Max number of requests.', default: 5, minimum: 1, maximum: 1000 }),
      interval: kind.duration({ description: 'Time between two of them.', default: '10s', minMs: 1 }),
    },
    { description: 'Asks servers of the pool for a path until one answers 2xx; if none does, the rollout fails.' },
  )
}

const allowedIncrease = Type.Number({
  description: 'Tolerated odds ratio of bad requests, canary to stable.',
  minimum: 1,
  maximum: 100,
  errorMessage: 'expected a number from 1 to 100',
  default: 1.25,
})

const compared = {
  allowedIncrease,
  max: Type.Optional(
    Type.Union([Type.String({ pattern: PERCENT_PATTERN }), Type.Number()], {
      description: 'Max share of bad requests of the canary, such as 1%; web: max value.',
      errorMessage: 'expected a percentage such as 1%; of a web metric, a number',
    }),
  ),
  absolute: kind.choice(['hold', 'abort'], {
    description: 'What a share above max does: no step passes, or the rollout fails.',
    default: 'hold',
  }),
  dryRun: kind.flag({ description: 'It is shown, and decides nothing.', default: false }),
}

const MetricSchema = kind.section(
  {
    name: name('Name of the metric.'),
    kind: kind.choice(['errorRate', 'latency', 'web'], { description: 'What is measured.' }),
    ...compared,
    threshold: Type.Optional(
      Type.Union([Type.Literal('auto'), kind.duration({ minMs: 1 })], {
        description: 'latency: requests slower than this are bad; auto = the p95 of the stable pool at the start.',
        errorMessage: 'expected auto, or a duration such as 250ms',
      }),
    ),
    url: Type.Optional(url('web: where the number is asked for.')),
    jsonPath: kind.text({
      description: 'web: where the number is in the answer.',
      pattern: '^\\$(\\.[A-Za-z_][\\w-]*|\\[\\d{1,6}\\])*$',
      errorMessage: 'expected a path such as $.value or $.data[0].rate',
      default: '$',
    }),
    min: Type.Optional(Type.Number({ description: 'web: min value.', errorMessage: 'expected a number' })),
    interval: kind.duration({ description: 'web: time between two measurements.', default: '60s', minMs: 100 }),
    failureLimit: kind.count({ description: 'web: tolerated failures in a row.', default: 2, maximum: 1000 }),
  },
  { errorMessage: 'expected a metric, {name, kind, …}' },
)

const Analysis = kind.section(
  {
    tick: kind.duration({ description: 'Time between two looks.', default: '5s', minMs: 1000, maxMs: 60_000 }),
    sensitivity: kind.choice(['high', 'normal', 'strict'], {
      description: 'high finds more and is wrong more often; strict the other way round.',
      default: 'normal',
    }),
    minRequests: Type.Union([Type.Literal('auto'), kind.count({ minimum: 0 })], {
      description: 'Requests of each side that a step needs; auto = enough to find maxRatio.',
      errorMessage: 'expected auto, or a whole number',
      default: 'auto',
    }),
    maxRatio: Type.Number({
      description: 'The ratio of bad requests, canary to stable, that a step must be able to find (minRequests: auto).',
      minimum: 1.5,
      maximum: 100,
      errorMessage: 'expected a number from 1.5 to 100',
      default: 5,
    }),
    onInconclusive: kind.choice(['wait', 'pause', 'abort'], {
      description:
        'When a step has not passed: wait until maxDuration and pause, pause at once, or abort at maxDuration.',
      default: 'wait',
    }),
    metrics: Type.Optional(kind.list(MetricSchema, { description: 'By default errors and slow requests.' })),
  },
  { description: 'How the canary is judged, whenever it has traffic.', default: {} },
)

const Fuse = kind.section(
  {
    window: kind.duration({ description: 'Time whose answers count.', default: '10s', minMs: 1000, maxMs: 600_000 }),
    minRequests: kind.count({ description: 'Min answers of the canary.', default: 10, minimum: 1 }),
    errorRate: kind.percent({ description: 'Share of failures from which it trips.', default: '50%' }),
    stableMax: kind.percent({
      description: 'With this share of failures at the stable pool, the canary is not to blame.',
      default: '10%',
    }),
  },
  { description: 'Each worker stops sending to a canary that fails.', default: {} },
)

/** The keys of a rollout, in a service's definition and in a request. */
export const rolloutFields = {
  strategy: Type.Optional(
    kind.choice(['canary', 'blueGreen', 'rolling', 'healthGate'], {
      description:
        'canary: 5, 25, 50, 98 %, each judged; blueGreen: one switch, then watched; rolling: server by server; healthGate: one switch, taken back unless a path answers. By default canary.',
    }),
  ),
  steps: Type.Optional(
    kind.list(StepSchema, { description: 'Steps of your own, in place of a strategy.', minItems: 1 }),
  ),
  stepDuration: Type.Optional(
    kind.duration({ description: 'canary, rolling: how long each weight is judged; by default 5m and 1m.', minMs: 1 }),
  ),
  approval: kind.flag({ description: 'blueGreen: wait for an approval before the switch.', default: false }),
  healthGate: Type.Optional(healthGate()),
  analysis: Analysis,
  fuse: Type.Union([kind.off(), Fuse], {
    description: 'Each worker stops sending to a canary that fails, or off.',
    errorMessage: 'expected {window, minRequests, errorRate, stableMax}, or off',
    default: {},
  }),
  onFailure: kind.choice(['abort', 'pause'], { description: 'What a failure does.', default: 'abort' }),
  ifStableUnhealthy: kind.choice(['pause', 'fastTrack'], {
    description: 'While too few servers of the stable pool are up: wait, or promote the canary.',
    default: 'pause',
  }),
  onStoreLoss: kind.section(
    {
      after: kind.duration({ description: 'Time without the store.', default: '30s', minMs: 1000 }),
      action: kind.choice(['stable', 'hold'], {
        description: 'What an instance does then: all requests to the stable pool, or nothing.',
        default: 'stable',
      }),
    },
    { description: 'When an instance cannot reach the store.', default: {} },
  ),
  watch: Type.Optional(
    kind.section(
      { duration: kind.duration({ description: 'How long.', default: '10m' }) },
      { description: 'The rollout goes on after the promotion, and returns at once if the pool fails. 0 = not.' },
    ),
  ),
  progressDeadline: kind.duration({
    description: 'Max time of a step that waits for servers or instances.',
    default: '10m',
    minMs: 1000,
  }),
  maxDuration: kind.duration({ description: 'Max time until the promotion.', default: '4h', minMs: 1000 }),
}

export const RolloutSchema = kind.section(rolloutFields, {
  description: 'The default of this service for its rollouts.',
  errorMessage: 'expected {strategy, …}',
})

export type RolloutSettings = StaticDecode<typeof RolloutSchema>

function parseUrl(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined
  const { protocol, username, password, href } = new URL(text)
  return ['http:', 'https:'].includes(protocol) && username === '' && password === '' ? href : undefined
}
