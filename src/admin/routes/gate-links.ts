import type { FastifyInstance, FastifyReply } from 'fastify'
import * as kind from '../../config/schema/kinds.ts'
import { stepOf } from '../../model/rollout/moves.ts'
import { findRollout, type Rollout } from '../../model/rollout/rollout.ts'
import { type GateLink, isSigned, readLink, signLink } from '../../rollout/gate-links.ts'
import { askRollout } from '../../rollout/rollout-commands.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { AdminContext } from '../context.ts'
import { readBody } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem, unknownProblem } from '../problems.ts'

const LinkBody = kind.section(
  {
    expiresIn: kind.duration({
      description: 'How long the links are good.',
      default: '1d',
      minMs: 1000,
      maxMs: 2_000_000_000,
    }),
  },
  {},
)

interface Params {
  service: string
  id: string
  gate: string
}

/** Links by which somebody without a token approves or rejects a gate, once: SPEC §7. */
export function gateLinkRoutes(api: FastifyInstance, context: AdminContext): void {
  const { control, store, log } = context

  const schema = describe({
    tag: 'rollouts',
    summary: 'Links to approve or reject the gate at which a rollout waits; they work once, without a token',
    body: LinkBody,
    answer: 'GateLinks',
  })
  const path = '/api/services/:service/rollouts/:id/gates/:gate/links'
  api.post<{ Params: Params }>(path, { schema }, async (request, reply) => {
    const { service, id, gate } = request.params
    const { expiresIn } = readBody(LinkBody, request)
    const rollout = findRollout(control.state, service, id)
    if (rollout === null) throw unknownProblem('rollout', id, [])
    if (!waitsAt(rollout, gate))
      throw new ApiProblem(409, 'Not at this gate', `Rollout ${id} does not wait at gate ${gate} now.`)
    const untilMs = Math.floor(store.nowMs() + expiresIn)
    const { index, attempt } = rollout.step
    const link = { service, rollout: id, gate, step: index, attempt, by: request.actor.name, untilMs }
    const urlOf = (verdict: GateLink['verdict']): string =>
      `${request.protocol}://${request.host}/gates/${signLink({ ...link, verdict }, rollout.gateKey)}`
    reply.header('cache-control', 'no-store')
    return { approve: urlOf('approve'), reject: urlOf('reject'), expiresAt: new Date(untilMs).toISOString() }
  })

  const open = { schema: { hide: true }, config: { role: 'none' as const } }
  /** The rollout that a link is about; null = the link is not good any more. */
  const good = (token: string): { readonly link: GateLink; readonly rollout: Rollout } | null => {
    const link = readLink(token)
    if (link === null) return null
    const rollout = findRollout(control.state, link.service, link.rollout)
    if (rollout === null || !isSigned(token, rollout.gateKey)) return null
    const { index, attempt } = rollout.step
    const isCurrent = link.step === index && link.attempt === attempt && waitsAt(rollout, link.gate)
    return isCurrent && store.nowMs() <= link.untilMs ? { link, rollout } : null
  }

  // A GET changes nothing: programs that look at links before people do would approve.
  api.get<{ Params: { token: string } }>('/gates/:token', open, async (request, reply) => {
    const found = good(request.params.token)
    if (found === null) return page(reply, 410, GONE)
    const { link, rollout } = found
    const what = `${link.verdict} gate ${link.gate} of rollout ${rollout.id}`
    const text = `${rollout.service}: ${rollout.from} → ${rollout.to}, now at ${rollout.weight} %`
    return page(reply, 200, `<p>${escaped(text)}</p><form method="post"><button>${escaped(what)}</button></form>`)
  })
  api.post<{ Params: { token: string } }>('/gates/:token', open, async (request, reply) => {
    const found = good(request.params.token)
    if (found === null) return page(reply, 410, GONE)
    const { link } = found
    const make = askRollout(
      link.service,
      link.rollout,
      { verb: link.verdict, gate: link.gate },
      () => control.ticks.fleet.end,
    )
    try {
      const asked = { by: `link of ${link.by}`, reason: null, force: false, ifMatch: null }
      const result = await control.execute(make, asked)
      if (result.kind === 'refused') return page(reply, 409, '<p>The rollout has moved meanwhile.</p>')
      log.info(
        { service: link.service, rollout: link.rollout, gate: link.gate, verdict: link.verdict },
        'a link was used',
      )
      return page(reply, 200, `<p>Done: ${escaped(link.verdict)} gate ${escaped(link.gate)}.</p>`)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return page(reply, 503, '<p>The store is away; try again.</p>')
    }
  })
}

const GONE = '<p>This link has been used, is too old, or its rollout has moved on.</p>'

function waitsAt(rollout: Rollout, gate: string): boolean {
  const step = stepOf(rollout)
  return rollout.state === 'Paused' && step?.kind === 'pause' && step.forMs === null && step.name === gate
}

function page(reply: FastifyReply, status: number, body: string): FastifyReply {
  const html = `<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Cutover</title>${body}`
  return reply
    .code(status)
    .headers({
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
    })
    .serializer((text: string) => text)
    .send(html)
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (each) => `&#${each.charCodeAt(0)};`)
}
