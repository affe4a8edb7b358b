import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { FastifyRequest } from 'fastify'
import type { AdminSettings, AdminToken, Role } from '../config/config.ts'
import { quote } from '../config/problems.ts'
import { covers, networks } from '../model/networks.ts'
import { ApiProblem } from './problems.ts'

const RANK: Readonly<Record<Role, number>> = { read: 0, operate: 1, admin: 2 }

/** The author of a request, as the history names it. */
export interface Actor {
  readonly name: string
  readonly role: Role
}

/** The author of all requests while there are no tokens: only loopback listens then, and any local user may do everything. */
export const LOCAL: Actor = { name: 'local', role: 'admin' }

/** The author of all requests that the process makes itself, as a library. */
export const LIBRARY: Actor = { name: 'library', role: 'admin' }
/** Address of the peer of such requests. They come through no socket, and no socket has this address. */
export const IN_PROCESS = 'in-process'

/** Whether the process makes a request itself. */
export function isInProcess({ socket }: FastifyRequest): boolean {
  return socket.remoteAddress === IN_PROCESS
}

/** Name and role of the original caller, in a call passed on by another instance; valid only with the fleet's token. */
export const ACTOR_HEADER = 'x-cutover-actor'
export const ROLE_HEADER = 'x-cutover-role'
/** Id of the instance that a call is passed on to. */
export const FOR_HEADER = 'x-cutover-for'

/** Refuses a call that was passed on to another instance, which has or had this address in its record. Throws 421. */
export function refuseMisdirected({ headers }: FastifyRequest, ownId: string): void {
  const wanted = headers[FOR_HEADER]
  if (wanted === undefined || wanted === ownId) return
  throw new ApiProblem(
    421,
    'Another instance',
    'This is not the instance that the call was for; check its fleet.address.',
  )
}

/** Finds the author of a request by its bearer token; null = unknown token. Throws 401 if the request has no token. */
export function authenticate(
  request: FastifyRequest,
  tokens: readonly AdminToken[],
  fleetToken: string | null = null,
): Actor | null {
  if (isInProcess(request)) return LIBRARY
  if (tokens.length === 0) return LOCAL
  const { authorization } = request.headers
  if (authorization === undefined) {
    throw new ApiProblem(401, 'Token needed', 'Send a token: -H "Authorization: Bearer TOKEN".')
  }
  const digest = digestShown(authorization)
  if (digest === null) return null
  // All tokens are compared, in constant time, so that the duration reveals nothing.
  let actor: Actor | null = null
  for (const token of tokens) {
    if (timingSafeEqual(token.sha256, digest)) actor = { name: token.name, role: token.role }
  }
  if (fleetToken !== null && timingSafeEqual(sha256(fleetToken), digest)) actor = originalCaller(request)
  return actor
}

/** Whether a request has any of the configured tokens. */
export function showsOurToken(
  { headers }: FastifyRequest,
  tokens: readonly AdminToken[],
  fleetToken: string | null,
): boolean {
  const digest = digestShown(headers.authorization ?? '')
  if (digest === null) return false
  const ours = tokens.map((token) => token.sha256)
  if (fleetToken !== null) ours.push(sha256(fleetToken))
  return ours.filter((each) => timingSafeEqual(each, digest)).length > 0
}

/** Hashes the token in an Authorization field; null if it has none. */
function digestShown(authorization: string): Buffer | null {
  const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? []
  return token === undefined ? null : sha256(token)
}

/** The caller for whom another instance passes a request on; null if it names none. */
function originalCaller({ headers }: FastifyRequest): Actor | null {
  const [name, role] = [headers[ACTOR_HEADER], headers[ROLE_HEADER]]
  return typeof name === 'string' && (role === 'read' || role === 'operate' || role === 'admin') ? { name, role } : null
}

/** Throws 403 unless the actor's role is at least `needed`. `what`: what needs it, for the message. */
export function authorize(actor: Actor, needed: Role, what = 'this'): void {
  if (RANK[actor.role] >= RANK[needed]) return
  const detail = `The token "${actor.name}" has the role "${actor.role}"; ${what} needs "${needed}".`
  throw new ApiProblem(403, 'Role too low', detail)
}

/**
 * Refuses requests that a browser sends for a foreign page: with a foreign Origin, or with a Host that is no name of this
 * API (DNS rebinding). Its names are addresses, localhost, this machine's name, single labels and `admin.hosts`. An HTTP/1.0
 * request without Host is accepted, since no browser sends one. Throws 403.
 */
export function refuseForeign(request: FastifyRequest, settings: AdminSettings): void {
  const { host = '' } = request.headers
  const name = hostPart(host)
  if (request.headers.host !== undefined && !isOwnName(name, settings)) {
    const detail = `${quote(name)} is not a name of this API. Use its address, or add the name to admin.hosts.`
    throw new ApiProblem(403, 'Unexpected Host', detail)
  }
  const { origin } = request.headers
  if (origin === undefined || isOwnOrigin(origin.toLowerCase(), host.toLowerCase(), request, settings)) return
  const detail =
    `A page of ${quote(origin)} may not use this API, which was asked as ${quote(host)}. If a proxy in front of it ends TLS, ` +
    'have it pass on Host and set X-Forwarded-Proto, and name its network in admin.trustedProxies.'
  throw new ApiProblem(403, 'Foreign Origin', detail)
}

/** Whether an Origin is the one that this request was sent to. Browsers leave out the default port; proxies may not. */
function isOwnOrigin(origin: string, host: string, request: FastifyRequest, settings: AdminSettings): boolean {
  return cameByHttps(request, settings)
    ? origin === `https://${host.replace(/:443$/, '')}`
    : origin === `http://${host.replace(/:80$/, '')}`
}

/** Whether a trusted proxy reports that a request came by https. A peer at the socket file has no address and is trusted. */
export function cameByHttps({ headers, socket }: FastifyRequest, { trustedProxies }: AdminSettings): boolean {
  const peer: string | undefined = socket.remoteAddress
  if (peer !== undefined && !covers(networks(trustedProxies), peer)) return false
  const [scheme = ''] = String(headers['x-forwarded-proto'] ?? '').split(',')
  return scheme.trim().toLowerCase() === 'https'
}

function isOwnName(name: string, { listen, hosts }: AdminSettings): boolean {
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true
  if (/^[a-z0-9_-]+$/.test(name)) return true
  const own = [hostname(), ...hosts, listen.kind === 'tcp' ? listen.host : '']
  return own.some((each) => each.toLowerCase() === name)
}

function hostPart(host: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d+)?$/.exec(host) ?? []
  return (bracketed ?? plain ?? '').toLowerCase()
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
