import type { FastifyInstance } from 'fastify'
import { type StaticDecode, Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import { own } from '../../model/names.ts'
import { serversOf } from '../../model/servers.ts'
import type { Service } from '../../model/state.ts'
import { type DefinedService, statsOf } from '../../telemetry/stats.ts'
import { statsOverTime } from '../../telemetry/stats-over-time.ts'
import type { Span, TickHistory } from '../../telemetry/ticks/tick-history.ts'
import type { AdminContext } from '../context.ts'
import { loadNow } from '../fleet-load.ts'
import { readInput } from '../input.ts'
import { describe } from '../openapi.ts'
import { invalidProblem, unknownProblem } from '../problems.ts'

/** Lengths of the windows, s. */
const WINDOWS = { '10s': 10, '60s': 60, '5m': 300, '1h': 3_600 } as const
type Window = keyof typeof WINDOWS

const StatsQuery = kind.section(
  {
    window: kind.choice(Object.keys(WINDOWS) as [Window, ...Window[]], {
      description: 'The time that the figures are about.',
      default: '60s',
    }),
    service: Type.Optional(kind.text({ description: 'Only this service.' })),
    scope: kind.choice(['fleet', 'instance'], {
      description: 'fleet: the requests of all instances; instance: only those of the one that answers.',
      default: 'fleet',
    }),
    at: Type.Optional(
      kind.text({
        description: 'End of the window, a time of the last two hours; by default the last second that is complete.',
      }),
    ),
  },
  {},
)

/** Steps of the figures over time, by window: their length, s, and their number. */
const STEPS = { '2m': [2, 60], '10m': [10, 60], '1h': [60, 60], '2h': [60, 120] } as const
type LongWindow = keyof typeof STEPS

const SeriesQuery = kind.section(
  {
    window: kind.choice(Object.keys(STEPS) as [LongWindow, ...LongWindow[]], {
      description: 'The time that the figures are about.',
      default: '10m',
    }),
  },
  {},
)

/** Figures of the requests of the last seconds, minutes or hour. */
export function statsRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context

  const schema = describe({
    tag: 'instance',
    summary: 'Rate, errors and durations of the requests, by service, pool, version and server',
    query: StatsQuery,
    answer: 'Stats',
  })
  api.get('/api/stats', { schema }, async (request, reply) => {
    const query = readInput(StatsQuery, request.query)
    const { window, scope, service } = query
    const { services, revision } = control.state
    const found = service === undefined ? undefined : own(services, service)
    if (service !== undefined && found === undefined) throw unknownProblem('service', service, Object.keys(services))
    const history = scope === 'fleet' ? control.ticks.fleet : control.ticks.own
    const span = spanOf(history, query)
    const load = await loadNow(context, scope)
    const defined = (found === undefined ? Object.values(services) : [found]).map(definedService)
    reply.header('etag', `"${revision}"`)
    return {
      revision,
      window,
      from: timeOf(span.from),
      at: timeOf(span.to),
      services: statsOf(history, span, defined, load, service),
    }
  })

  const series = describe({
    tag: 'services',
    summary: 'Rate, errors and durations of the requests of a service, by pool and version, step by step',
    query: SeriesQuery,
    answer: 'StatsOverTime',
  })
  api.get<{ Params: { service: string } }>(
    '/api/services/:service/series',
    { schema: series },
    async (request, reply) => {
      const { service } = request.params
      const { window } = readInput(SeriesQuery, request.query)
      const { services, revision } = control.state
      const found = own(services, service)
      if (found === undefined) throw unknownProblem('service', service, Object.keys(services))
      const [stepSeconds, points] = STEPS[window]
      const { times, pools } = statsOverTime(control.ticks.fleet, definedService(found), stepSeconds, points)
      reply.header('etag', `"${revision}"`)
      return { revision, service, window, stepSeconds, times: times.map(timeOf), pools }
    },
  )
}

/** The span of a window. Throws 422 for a time without figures. */
function spanOf(history: TickHistory, { window, at }: StaticDecode<typeof StatsQuery>): Span {
  const seconds = WINDOWS[window]
  if (at === undefined) return history.span(seconds)
  const end = Math.floor(Date.parse(at) / 1_000)
  if (Number.isNaN(end)) throw invalidProblem([{ path: 'at', message: 'expected a time such as 2026-01-31T12:00:00Z' }])
  if (end < history.begin || end > history.end) {
    const known = `from ${timeOf(history.begin)} to ${timeOf(history.end)}`
    throw invalidProblem([{ path: 'at', message: `there are figures ${known} here; give a time between these` }])
  }
  return history.span(seconds, end)
}

function timeOf(second: number): string {
  return new Date(second * 1_000).toISOString()
}

function definedService(service: Service): DefinedService {
  const pools = Object.entries(service.spec.pools).map(([name, { version }]) => ({
    name,
    version,
    servers: serversOf(service, name).map((server) => server.name),
  }))
  return { name: service.name, pools }
}
