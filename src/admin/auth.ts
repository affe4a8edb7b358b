import { createHash, timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import type { FastifyRequest } from 'fastify'
import type { AdminSettings, AdminToken, Role } from '../config/config.ts'
import { quote } from '../config/problems.ts'
import { covers, networks } from '../model/networks.ts'
import { ApiProblem } from './problems.ts'

const RANK: Readonly<Record<Role, number>> = { read: 0, operate: 1, admin: 2 }

/** Who asks, as the history will name it. */
export interface Actor {
  readonly name: string
  readonly role: Role
}

/** Without tokens only loopback listens, and whoever is on this machine may do everything. */
export const LOCAL: Actor = { name: 'local', role: 'admin' }

/** Who it is that another instance hands a call on for; they count only beside the fleet's token. */
export const ACTOR_HEADER = 'x-cutover-actor'
export const ROLE_HEADER = 'x-cutover-role'
/** Which instance a call is handed on to. */
export const FOR_HEADER = 'x-cutover-for'

/** Refuses what was handed on to another instance: it has our address in its record, or had it. Throws 421. */
export function refuseMisdirected({ headers }: FastifyRequest, ownId: string): void {
  const wanted = headers[FOR_HEADER]
  if (wanted === undefined || wanted === ownId) return
  throw new ApiProblem(421, 'Another instance', 'This is not the instance that was asked for; see its fleet.address.')
}

/** Who sends a request, by its bearer token; null = the token is not known. Throws 401 where there is none. */
export function authenticate(
  request: FastifyRequest,
  tokens: readonly AdminToken[],
  fleetToken: string | null = null,
): Actor | null {
  if (tokens.length === 0) return LOCAL
  const { authorization } = request.headers
  if (authorization === undefined) {
    throw new ApiProblem(401, 'Token needed', 'Send a token: -H "Authorization: Bearer TOKEN".')
  }
  const digest = digestShown(authorization)
  if (digest === null) return null
  // Every token is compared, and in constant time: how long it takes tells nothing.
  let actor: Actor | null = null
  for (const token of tokens) {
    if (timingSafeEqual(token.sha256, digest)) actor = { name: token.name, role: token.role }
  }
  if (fleetToken !== null && timingSafeEqual(sha256(fleetToken), digest)) actor = handedOn(request)
  return actor
}

/** Whether a request shows a token of ours, whoever's it is. */
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

/** The hash of the token in an Authorization field; null where there is none. */
function digestShown(authorization: string): Buffer | null {
  const [, token] = /^Bearer +(\S+) *$/i.exec(authorization) ?? []
  return token === undefined ? null : sha256(token)
}

/** Whom another instance speaks for. */
function handedOn({ headers }: FastifyRequest): Actor | null {
  const [name, role] = [headers[ACTOR_HEADER], headers[ROLE_HEADER]]
  return typeof name === 'string' && (role === 'read' || role === 'operate' || role === 'admin') ? { name, role } : null
}

/** Throws 403 unless the actor's role is at least `needed`. */
export function authorize(actor: Actor, needed: Role): void {
  if (RANK[actor.role] >= RANK[needed]) return
  const detail = `The token "${actor.name}" has the role "${actor.role}"; this needs "${needed}".`
  throw new ApiProblem(403, 'Role too low', detail)
}

/**
 * Refuses what a browser sends for someone else's page: a foreign Origin, or a Host that is a name we do not go by (DNS
 * rebinding). Addresses, localhost, this machine's name, single labels and `admin.hosts` are ours. A probe that speaks
 * HTTP/1.0 without a Host is no browser.
 */
export function refuseForeign(request: FastifyRequest, settings: AdminSettings): void {
  const { host = '' } = request.headers
  const name = hostPart(host)
  if (request.headers.host !== undefined && !isOwnName(name, settings)) {
    const detail = `This API does not go by the name ${quote(name)}. Ask it by its address, or add the name to admin.hosts.`
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

/** Whether a proxy that may say so says that a request came by https. A peer without an address has our socket file. */
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
