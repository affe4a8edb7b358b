import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Role } from '../config/config.ts'
import { authenticate, authorize } from './auth.ts'
import { AdminConnections } from './connections.ts'
import type { AdminContext } from './context.ts'
import { peerOf } from './peer.ts'
import { ApiProblem } from './problems.ts'
import { WrongTokens } from './wrong-tokens.ts'

/** Access control of the admin API: by connection, by token, and by role. */
export class Gate {
  readonly connections: AdminConnections
  readonly wrongTokens = new WrongTokens()
  private readonly context: AdminContext

  constructor(context: AdminContext) {
    this.context = context
    this.connections = new AdminConnections(context.settings.connections)
  }

  /**
   * Admits a request whose token is right and whose role suffices, and protects its connection until it is answered.
   * `isStreamed`: its body is passed on as it arrives. Throws 401, 403, 429.
   */
  admit(request: FastifyRequest, reply: FastifyReply, needed: Role, isStreamed: boolean): void {
    const { settings, fleetToken } = this.context
    const actor = authenticate(request, settings.tokens, fleetToken)
    if (actor === null) throw this.wrongToken(request, reply)
    request.actor = actor
    authorize(actor, needed)
    this.connections.hold(request.raw, reply.raw, isStreamed)
  }

  /**
   * Counts a wrong token. Callers come here only after the token was compared, even from an address with too many wrong
   * ones, so that guessing locks out no one who has a right token.
   */
  private wrongToken(request: FastifyRequest, reply: FastifyReply): ApiProblem {
    const peer = peerOf(request.socket.remoteAddress)
    const { waitMs, isFirst } = this.wrongTokens.add(peer)
    if (isFirst) this.context.log.warn({ peer }, 'too many wrong tokens at the admin API: answered 429 for a minute')
    if (waitMs === 0) return new ApiProblem(401, 'Wrong token', 'This token is not known here.')
    const seconds = Math.ceil(waitMs / 1_000)
    reply.header('retry-after', String(seconds)).header('connection', 'close')
    const detail = `This token is not known here, nor were many before it from this address; try again in ${seconds} s. A right token is let in at any time.`
    return new ApiProblem(429, 'Too many wrong tokens', detail)
  }
}
