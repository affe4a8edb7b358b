import type { FastifyInstance } from 'fastify'
import { clipped } from '../../config/problems.ts'
import type { AcmeStanding } from '../../control/acme/acme-targets.ts'
import type { WaitingPool } from '../../control/readiness.ts'
import { isUsable, Readiness } from '../../control/readiness.ts'
import { storeStanding } from '../../control/store-standing.ts'
import { whyUnreadable } from '../../control/unreadable.ts'
import { dateProblem } from '../../edge/listener-files.ts'
import { onDuty } from '../../model/backups.ts'
import { covers, networks } from '../../model/networks.ts'
import { describeOverride } from '../../model/overrides.ts'
import { serversOf } from '../../model/servers.ts'
import { shareOf } from '../../model/split.ts'
import type { Service } from '../../model/state.ts'
import { currentSplit } from '../../model/state.ts'
import type { AdminContext } from '../context.ts'
import { fileProblems } from '../files.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'

/** Time before the end of a certificate from which on health says so. */
const ENDS_SOON_MS = 2 * 86_400_000
const MAX_DETAIL_CHARS = 1_000
/** Max pools in a message. */
const SHOWN = 5

type Part = { readonly status: 'ok' | 'degraded' | 'failing'; readonly detail: string | null }

/** Liveness, health and readiness of this instance. */
export function healthRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, settings } = context
  const readyAllow = networks(settings.readyAllow)
  const readiness = new Readiness(control)

  api.get(
    '/healthz',
    {
      schema: describe({ tag: 'instance', summary: 'Liveness', answer: 'Live', open: true }),
      config: { role: 'none' },
    },
    () => ({
      status: 'ok',
    }),
  )

  api.get(
    '/health',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Overall health, with its parts',
        answer: 'Health',
        failing: 'Health',
      }),
    },
    async (_request, reply) => {
      const waiting = await readiness.waiting()
      const parts: Record<string, Part> = {
        store: storeStanding(context.store, control.state.revision),
        configuration: configuration(context),
        definitions: definitions(context),
        dataPlane: dataPlane(context),
        processes: processes(context),
      }
      const tls = certificatePart(context)
      if (tls !== null) parts.certificates = tls
      const sealed = context.tls.sealProblem()
      if (sealed !== null) parts.secrets = { status: 'degraded', detail: sealed }
      const firstChecks = missingChecks(context, waiting)
      if (firstChecks !== null) parts.healthChecks = { status: 'degraded', detail: firstChecks }
      const others = outOfTouch(context)
      if (others !== null) parts.fleet = others
      const { overrides } = control.controller
      if (overrides.length > 0) {
        parts.overrides = { status: 'degraded', detail: `only here: ${overrides.map(describeOverride).join(', ')}` }
      }
      const blind = probes(context)
      if (blind !== null) parts.probes = blind
      const lost = lookups(context)
      if (lost !== null) parts.names = lost
      for (const service of Object.values(control.state.services))
        parts[`service ${service.name}`] = serving(context, service)
      const all = Object.values(parts).map(({ status }) => status)
      const status = all.includes('failing') ? 'failing' : all.includes('degraded') ? 'degraded' : 'ok'
      reply.code(status === 'failing' ? 503 : 200)
      return { status, revision: control.state.revision, version: context.version, parts }
    },
  )

  api.get(
    '/ready',
    {
      schema: describe({
        tag: 'instance',
        summary: 'Readiness, for load balancers',
        answer: 'Ready',
        failing: 'Ready',
        open: true,
      }),
      config: { role: 'none' },
    },
    async (request, reply) => {
      // A peer at a socket file is on this machine, and has no address.
      const address: string | undefined = request.socket.remoteAddress
      if (address !== undefined && !covers(readyAllow, address)) {
        throw new ApiProblem(403, 'Not allowed', 'Only addresses in admin.readyAllow may call this.')
      }
      const reason = await notReady(context, readiness)
      reply.code(reason === null ? 200 : 503)
      return { ready: reason === null, reason }
    },
  )
}

async function notReady(context: AdminContext, readiness: Readiness): Promise<string | null> {
  const { control } = context
  if (context.isStopping()) return 'stopping'
  if (!control.isInForce) return 'the routing table is not in force yet'
  if ((await readiness.waiting()).length > 0) return 'the first health checks have not ended yet'
  // The shutdown may have begun meanwhile.
  return context.isStopping() ? 'stopping' : null
}

/** The pools that `/ready` waits for, or else the servers in their first round of checks, which get no requests yet; null = none. */
function missingChecks({ control }: AdminContext, waiting: readonly WaitingPool[]): string | null {
  const { count, some } = control.undecided()
  if (waiting.length > 0) {
    const pools = waiting.slice(0, SHOWN).map(({ service, pool, up, undecided }) => {
      const servers = undecided === 1 ? 'a server is' : `${undecided} servers are`
      return `${service}/${pool} (${up} up; ${servers} in the first round of checks)`
    })
    return `not ready: ${pools.join(', ')}${waiting.length > SHOWN ? ', …' : ''}`
  }
  if (count === 0) return null
  const names = `${some.join(', ')}${count > some.length ? ', …' : ''}`
  return `waiting for the first health check of ${count === 1 ? 'a server' : `${count} servers`}: ${names}`
}

/** Instances that are out of touch, and may still send requests by an old table. Null = this instance is alone. */
function outOfTouch({ control, fleet }: AdminContext): Part | null {
  const names = control.convergence.leftOut()
  if (names.length > 0) {
    const detail = `out of touch: ${names.join(', ')}; strike off an instance that is gone for good: DELETE /api/instances/{id}`
    return { status: 'degraded', detail }
  }
  return fleet.isAlone ? null : { status: 'ok', detail: null }
}

function definitions({ control }: AdminContext): Part {
  const unreadable = control.controller.cannotFollow
  if (unreadable.length === 0) return { status: 'ok', detail: null }
  const each = unreadable.map((service) => {
    const how = service.isServed ? 'served as last readable' : 'without servers here'
    return `${service.name} (${whyUnreadable(service)}; ${how})`
  })
  return { status: 'degraded', detail: `definitions that this version cannot read: ${each.join(', ')}` }
}

function configuration(context: AdminContext): Part {
  const problems = fileProblems(context)
  return problems.length === 0 ? { status: 'ok', detail: null } : { status: 'degraded', detail: problems.join('; ') }
}

function processes({ proxies: { trouble } }: AdminContext): Part {
  return trouble === null ? { status: 'ok', detail: null } : { status: 'degraded', detail: trouble }
}

/** Servers that this machine lacks the resources to probe; their health stays as it was. Null = none. */
function probes({ control }: AdminContext): Part | null {
  const servers = Object.values(control.state.services).flatMap((service) => serversOf(service))
  const failed = servers.map(({ key }) => control.health(key).last).filter((last) => last?.isLocal === true)
  if (failed.length === 0) return null
  return { status: 'degraded', detail: `${failed.length} of ${servers.length} servers: ${failed[0]?.error}` }
}

/** The certificates of the listeners; null = no listener has TLS. */
function certificatePart({ tls: { certificates, orders } }: AdminContext): Part | null {
  const standings = certificates.standings()
  const ordered = orders.standings()
  if (standings.length === 0 && ordered.length === 0) return null
  const now = Date.now()
  const problems = standings.flatMap(({ file, facts, error }) => {
    const { notAfterMs } = facts
    const soon = notAfterMs - now < ENDS_SOON_MS ? `${file} expires at ${new Date(notAfterMs).toISOString()}` : null
    return [dateProblem(file, facts, now) ?? soon ?? [], error ?? []].flat()
  })
  problems.push(...certificates.authoritiesProblems, ...ordered.flatMap(orderProblem))
  return problems.length === 0
    ? { status: 'ok', detail: null }
    : { status: 'degraded', detail: clipped(problems.join('; '), MAX_DETAIL_CHARS) }
}

/** Names of servers that are not found now; their last addresses stay in use. Null = none. */
function lookups({ control }: AdminContext): Part | null {
  const failing = new Map(control.names.failing())
  if (failing.size === 0) return null
  const some = [...failing].slice(0, SHOWN).map(([name, problem]) => `${name} (${problem})`)
  return { status: 'degraded', detail: `not found: ${some.join(', ')}${failing.size > SHOWN ? ', …' : ''}` }
}

function orderProblem({ domain, notAfterMs, nextTryMs, error }: AcmeStanding): string[] {
  const next = nextTryMs === null ? '' : `; next try at ${new Date(nextTryMs).toISOString()}`
  const why = error === null ? '' : `: ${error}${next}`
  if (notAfterMs === null) return [`${domain} has no certificate yet${why}`]
  return error === null ? [] : [`the certificate of ${domain} is not renewed${why}`]
}

function dataPlane({ control }: AdminContext): Part {
  if (control.isInForce) return { status: 'ok', detail: null }
  const applied = control.applied()?.revision ?? 'no revision'
  return { status: 'degraded', detail: `${applied} of ${control.state.revision} is in force` }
}

function serving({ control }: AdminContext, service: Service): Part {
  const split = currentSplit(service)
  const short: string[] = []
  let down = 0
  let pools = 0
  for (const pool of Object.keys(service.spec.pools)) {
    if (shareOf(split, pool) === 0) continue
    pools++
    const all = serversOf(service, pool).filter(({ closed }) => closed !== 'vanished')
    // A server of weight 0 is meant to take no requests.
    const servers = all.filter(({ weight }) => weight > 0)
    const up = servers.filter((server) => isUsable(control, server))
    if (up.length === 0) down++
    if (servers.length === 0) short.push(`${pool}: ${all.length === 0 ? 'no servers' : 'only servers of weight 0'}`)
    if (up.length === servers.length) continue
    const ejected = servers.filter(({ key }) => control.health(key).health === 'ejected').map(({ name }) => name)
    const which = ejected.length === 0 ? '' : ` (ejected: ${ejected.join(', ')})`
    const serving = onDuty(up)
    const role = serving.some(({ backup }) => backup) ? ', as backups' : ''
    short.push(`${pool}: ${serving.length} of ${servers.length} servers take requests${role}${which}`)
  }
  if (short.length === 0) return { status: 'ok', detail: null }
  return { status: down === pools ? 'failing' : 'degraded', detail: short.join('; ') }
}
