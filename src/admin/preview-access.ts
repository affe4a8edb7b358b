import type { AddressInfo } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AdminSettings } from '../config/config.ts'
import { authorize, isInProcess, LOCAL, refuseForeign, showsOurToken } from './auth.ts'
import type { AdminContext } from './context.ts'
import type { Gate } from './gate.ts'
import { type PreviewSession, PreviewSessions } from './preview-sessions.ts'
import { ApiProblem } from './problems.ts'

const TICKET = 'cutover-ticket'

declare module 'fastify' {
  interface FastifyRequest {
    /** At the origin of previews: the session of a browser. */
    previewSession: PreviewSession | null
  }
}

/** Access control of previews at their own origin (`admin.preview`), and the links that lead there from the admin API. */
export class PreviewAccess {
  readonly sessions = new PreviewSessions()
  /** Where the origin of previews listens; null = there is none, or not yet. */
  address: AddressInfo | null = null
  private readonly context: AdminContext
  private readonly gate: Gate
  /** The host names of previews: their own address, and `admin.hosts`. */
  private readonly names: AdminSettings

  constructor(context: AdminContext, gate: Gate) {
    const { settings } = context
    this.context = context
    this.names = settings.preview === null ? settings : { ...settings, listen: settings.preview }
    this.gate = gate
  }

  /** A link to `path` (`/preview/shop/green/`) for a browser, valid once; null if previews have no origin of their own. */
  link({ headers, actor }: FastifyRequest, path: string): { readonly url: string; readonly expiresAt: string } | null {
    if (this.address === null) return null
    const { ticket, expiresAt } = this.sessions.issue(actor)
    const query = `${path.includes('?') ? '&' : '?'}${TICKET}=${ticket}`
    return { url: `http://${this.host(headers.host ?? '')}${path}${query}`, expiresAt: expiresAt.toISOString() }
  }

  /** Admits a request to the origin of previews. `answered`: it was a link, and the browser was redirected to the page. */
  admit(request: FastifyRequest, reply: FastifyReply): 'admitted' | 'answered' {
    const { settings, fleetToken } = this.context
    refuseForeign(request, this.names)
    if (this.openLink(request, reply)) return 'answered'
    request.previewSession = this.sessions.find(request.headers.cookie)
    const { previewSession: session } = request
    const hasToken = request.headers.authorization !== undefined
    if (settings.tokens.length > 0 && session === null && !hasToken && !isInProcess(request)) {
      const detail = 'Open a link of POST /api/services/SERVICE/pools/POOL/preview in the browser, or send a token.'
      throw new ApiProblem(401, 'Link needed', detail)
    }
    // The page may send a token of the app, which does not count as a wrong token of Cutover.
    const isSession = session !== null && !showsOurToken(request, settings.tokens, fleetToken)
    if (settings.tokens.length === 0 || !isSession) this.gate.admit(request, reply, 'operate', true)
    else {
      request.actor = session.actor
      authorize(session.actor, 'operate')
      this.gate.connections.hold(request.raw, reply.raw, true)
    }
    if (session === null && request.headers['sec-fetch-mode'] === 'navigate' && settings.tokens.length === 0) {
      const begun = this.sessions.begin(LOCAL)
      request.previewSession = begun.session
      reply.header('set-cookie', begun.cookie)
    }
    return 'admitted'
  }

  private openLink(request: FastifyRequest, reply: FastifyReply): boolean {
    const [path = '', query = ''] = request.url.split('?')
    const parameters = query.split('&')
    const given = parameters.find((each) => each.startsWith(`${TICKET}=`))
    if (given === undefined) return false
    const cookie = this.sessions.redeem(given.slice(TICKET.length + 1))
    if (cookie === null)
      throw new ApiProblem(403, 'Link expired', 'A link works once, within a minute. Ask for another one.')
    const rest = parameters.filter((each) => each !== given).join('&')
    reply.header('set-cookie', cookie).header('cache-control', 'no-store').header('referrer-policy', 'no-referrer')
    reply.redirect(rest === '' ? path : `${path}?${rest}`, 303)
    return true
  }

  /** Host and port for the browser: the host by which it reached the admin API, unless previews listen on another one. */
  private host(asked: string): string {
    const { listen, preview } = this.context.settings
    const isElsewhere =
      preview !== null && preview.host !== '' && (listen.kind !== 'tcp' || listen.host !== preview.host)
    const own = preview?.host.includes(':') ? `[${preview.host}]` : preview?.host
    const name = isElsewhere || !URL.canParse(`http://${asked}`) ? own : new URL(`http://${asked}`).hostname
    return `${name || '127.0.0.1'}:${this.address?.port}`
  }
}
