import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type StaticDecode, Type } from 'typebox'
import * as kind from '../../config/schema/kinds.ts'
import type { ServerHealth } from '../../control/health-book.ts'
import type { ExplainedRequest, ServerVerdict } from '../../model/explain.ts'
import { own } from '../../model/names.ts'
import { type Server, serversOf } from '../../model/servers.ts'
import { shareOf } from '../../model/split.ts'
import { currentSplit, type Service } from '../../model/state.ts'
import type { AdminContext } from '../context.ts'
import { readInput } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'
import { shownProbe, viewDns } from '../views.ts'

const pairs = (parse: (given: string) => [string, string] | undefined, description: string, errorMessage: string) => {
  const pair = kind.parsed(parse, { errorMessage })
  return Type.Optional(Type.Union([pair, kind.list(pair, {})], { description, errorMessage }))
}

const ExplainQuery = kind.section(
  {
    host: Type.Optional(
      kind.text({ description: 'Host of the request; by default one of the hosts of the service, or localhost.' }),
    ),
    method: kind.token({ description: 'Method of the request.', default: 'GET' }),
    path: kind.text({
      description: 'Path and query of the request; by default the first path of the service, or /.',
      pattern: '^(/[\\x21-\\x7e]*)?$',
      errorMessage: 'expected a path such as /cart?x=1',
      default: '',
    }),
    header: pairs(parseHeader, 'A header field, NAME:VALUE; may be repeated.', 'expected NAME:VALUE'),
    cookie: pairs(parseCookie, 'A cookie, NAME=VALUE; may be repeated.', 'expected NAME=VALUE'),
    ip: kind.text({
      description: 'Address of the client.',
      pattern: '^[0-9a-fA-F.:]+$',
      errorMessage: 'expected an address such as 192.0.2.1',
      default: '127.0.0.1',
    }),
  },
  {},
)

/** Explains which pool and servers a request would get, and why not the others. */
export function explainRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control } = context

  const answer = async (request: FastifyRequest, reply: FastifyReply, service: Service | null): Promise<object> => {
    const asked = askedRequest(readInput(ExplainQuery, request.query), service)
    const explanation = await control.proxies.explain(asked, service?.name ?? null)
    if (explanation === null) throw new ApiProblem(503, 'No answer', 'No worker answers at the moment; ask again.')
    const { revision, services } = control.state
    const found = explanation.service === null ? undefined : own(services, explanation.service)
    const only = explanation.pools.filter(({ gets }) => gets !== 'none')
    reply.header('etag', `"${revision}"`)
    return {
      revision,
      request: { host: asked.host, method: asked.method, path: asked.target, ip: asked.address },
      service: explanation.service,
      pool: only.length === 1 ? only[0]?.name : null,
      steps: explanation.steps,
      pools: explanation.pools.map(({ name, gets, reason, from }) => ({
        name,
        share: found === undefined ? 0 : shareOf(currentSplit(found), name) / 100,
        gets,
        reason,
        ...(from === null ? {} : { from }),
      })),
      servers: found === undefined ? [] : serverViews(context, found, explanation.servers),
    }
  }

  const summary = 'Which pool and servers such a request would get now, and why not the others'
  const schema = describe({ tag: 'traffic', summary, query: ExplainQuery, answer: 'Explanation' })
  api.get('/api/explain', { schema }, (request, reply) => answer(request, reply, null))
  api.get<{ Params: { service: string } }>('/api/services/:service/explain', { schema }, (request, reply) => {
    const { services } = control.state
    const service = own(services, request.params.service)
    if (service === undefined) throw unknownProblem('service', request.params.service, Object.keys(services))
    return answer(request, reply, service)
  })
}

function askedRequest(query: StaticDecode<typeof ExplainQuery>, service: Service | null): ExplainedRequest {
  const { method, path, header = [], cookie = [], ip } = query
  const [host = 'localhost'] = service?.spec.hosts ?? []
  const [prefix = '/'] = service?.spec.paths ?? []
  return {
    host: query.host ?? host.replace(/^\*/, 'any'),
    method: method.toUpperCase(),
    target: path === '' ? prefix : path,
    headers: Object.fromEntries(asPairs(header).map(([name, value]) => [name.toLowerCase(), value])),
    cookies: Object.fromEntries(asPairs(cookie)),
    address: ip,
  }
}

function asPairs(given: [string, string] | [string, string][]): readonly [string, string][] {
  const [first] = given
  if (first === undefined) return []
  return typeof first === 'string' ? [given as [string, string]] : (given as [string, string][])
}

function parseHeader(given: string): [string, string] | undefined {
  const [, name = '', value = ''] = /^([^:\s]+):\s*(.*)$/s.exec(given) ?? []
  return name === '' ? undefined : [name, value]
}

function parseCookie(given: string): [string, string] | undefined {
  const [, name = '', value = ''] = /^([^=\s;]+)=([^;]*)$/.exec(given) ?? []
  return name === '' ? undefined : [name, value]
}

function serverViews({ control }: AdminContext, service: Service, verdicts: readonly ServerVerdict[]): object[] {
  const byKey = new Map(verdicts.map((verdict) => [verdict.key, verdict]))
  return serversOf(service).map((server) => {
    const known = control.health(server.key)
    const { health, last, since, ejectedUntil } = known
    const verdict = byKey.get(server.key)
    const { name, pool, url, weight, state } = server
    return {
      name,
      pool,
      url,
      weight,
      state,
      health,
      ...(since === undefined ? {} : { since }),
      ...(ejectedUntil === undefined ? {} : { ejectedUntil }),
      may: verdict?.may ?? false,
      reason: reasonOf(service, server, control.handoverOf(service.name) !== undefined, known, verdict),
      lastProbe: last === null ? null : shownProbe(last),
      ...viewDns(control, service, server),
    }
  })
}

/** Why a server may or may not get the request, for people. */
function reasonOf(
  { mode }: Service,
  { state, weight, maxConnections, closed }: Server,
  isHandingOver: boolean,
  { health, last, ejectedUntil }: ServerHealth,
  verdict?: ServerVerdict,
): string {
  if (closed === 'unresolved') return 'its name has no address yet, so that there is no server'
  if (verdict === undefined)
    return isHandingOver ? 'the new definition waits until its servers are up' : 'the workers do not know it yet'
  switch (verdict.reason) {
    case null:
      return health === 'ejected' ? 'it is ejected, and gets one request that tries it' : 'it takes requests'
    case 'closed':
      if (state !== 'ready') return `its state is ${state}, set by a person; enable it`
      if (weight === 0) return 'its weight is 0'
      if (closed === 'vanished') return 'DNS does not have its address any more'
      return mode === undefined ? 'its pool gets no requests' : `its service is ${mode.kind}`
    case 'otherPool':
      return 'it could, but the request goes to another pool'
    case 'backup':
      return 'it is a backup, and another server of its pool is up'
    case 'full':
      return `it has reached its limit of ${maxConnections} requests`
    case 'avoided':
      return 'it has refused a connection within the last second'
    case 'unknown':
      return 'it was not checked yet'
    case 'down':
      return `its health check fails${last?.error ? ` (${last.error})` : ''}`
    case 'ejected':
      return `it is ejected, because requests have failed there; ${trial(ejectedUntil)}`
  }
}

/** When a request tries an ejected server again. */
function trial(ejectedUntil: string | undefined): string {
  const leftMs = ejectedUntil === undefined ? 0 : Date.parse(ejectedUntil) - Date.now()
  return leftMs > 0 ? `one request tries it in ${Math.ceil(leftMs / 1_000)} s` : 'one request tries it now'
}
