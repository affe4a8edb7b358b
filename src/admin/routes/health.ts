import { BlockList } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { serversOf } from '../../model/servers.ts'
import { shareOf } from '../../model/split.ts'
import type { Service } from '../../model/state.ts'
import { currentSplit } from '../../model/state.ts'
import type { AdminContext } from '../context.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'

type Part = { readonly status: 'ok' | 'degraded' | 'failing'; readonly detail: string | null }

/** Whether this instance lives, is well, and wants traffic. */
export function healthRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, settings } = context
  const mayAskReady = allowList(settings.readyAllow)

  api.get('/healthz', { schema: describe({ tag: 'instance', summary: 'Liveness' }), config: { role: 'none' } }, () => ({
    status: 'ok',
  }))

  api.get(
    '/health',
    { schema: describe({ tag: 'instance', summary: 'Overall health, with its parts' }) },
    (_request, reply) => {
      const parts: Record<string, Part> = {
        store: { status: 'ok', detail: null },
        configuration: definitions(context),
        dataPlane: dataPlane(context),
      }
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
    { schema: describe({ tag: 'instance', summary: 'Readiness, for load balancers' }), config: { role: 'none' } },
    (request, reply) => {
      if (!mayAskReady(request.ip)) {
        throw new ApiProblem(403, 'Not allowed', 'Only addresses in admin.readyAllow may ask this.')
      }
      const reason = notReady(context)
      reply.code(reason === null ? 200 : 503)
      return { ready: reason === null, reason }
    },
  )
}

function notReady(context: AdminContext): string | null {
  const { control } = context
  if (context.isStopping()) return 'stopping'
  if (control.progress.appliedRevision() < control.state.revision) return 'the routing table is not in force yet'
  if (!control.allProbed()) return 'the first health checks are not in yet'
  return null
}

function definitions({ control }: AdminContext): Part {
  const names = control.controller.invalid.map(({ name }) => name)
  if (names.length === 0) return { status: 'ok', detail: null }
  return { status: 'degraded', detail: `left out, since their definitions cannot be used: ${names.join(', ')}` }
}

function dataPlane({ control }: AdminContext): Part {
  const applied = control.progress.appliedRevision()
  if (applied >= control.state.revision) return { status: 'ok', detail: null }
  return { status: 'degraded', detail: `revision ${applied} of ${control.state.revision} is in force` }
}

function serving({ control }: AdminContext, service: Service): Part {
  const split = currentSplit(service)
  const short: string[] = []
  let down = 0
  let pools = 0
  for (const pool of Object.keys(service.spec.pools)) {
    if (shareOf(split, pool) === 0) continue
    pools++
    const servers = serversOf(service, pool)
    const up = servers.filter(({ state, key }) => state === 'ready' && control.health(key).health === 'up').length
    if (up === 0) down++
    if (up < servers.length) short.push(`${pool}: ${up} of ${servers.length} servers take requests`)
  }
  if (short.length === 0) return { status: 'ok', detail: null }
  return { status: down === pools ? 'failing' : 'degraded', detail: short.join('; ') }
}

function allowList(cidrs: readonly string[]): (address: string) => boolean {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/')
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    list.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family)
  }
  return (given) => {
    const address = given.startsWith('::ffff:') ? given.slice(7) : given
    return list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }
}
