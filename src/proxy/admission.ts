import { acmeAnswer } from './client/acme-answer.ts'
import type { Client } from './client/client.ts'
import type { ClientStream } from './client/client-stream.ts'
import { guard, originForm } from './client/guard.ts'
import { redirectAnswer } from './client/https-redirect.ts'
import type { RequestHead } from './client/request-head.ts'
import type { ProxyContext } from './context.ts'
import type { OwnAnswer } from './own-answer.ts'
import { failure, ownAnswer, ownOptions } from './own-answer.ts'
import { hostName } from './routing/host-name.ts'
import type { ServiceRoute } from './routing/service-route.ts'

const MISDIRECTED = 'This connection was opened for another host; open one for this host.'

/** A request that may be forwarded. */
export interface Admitted {
  readonly route: ServiceRoute
  /** Path and query for the server. */
  readonly path: string
  /** The part of the path that was stripped. */
  readonly prefix: string
}

/** Checks a request and finds its service. Returns a response to send instead if it is not forwarded. */
export function admit(
  context: ProxyContext,
  stream: ClientStream,
  client: Pick<Client, 'trusted' | 'tls' | 'redirect'>,
  head: RequestHead,
  requestId: string,
): Admitted | OwnAnswer {
  const target = originForm(stream.target, head)
  const refusal = guard(stream, target, head, context.settings.limits)
  if (refusal !== null) return ownAnswer(refusal.status, refusal.text, 'http_request_denied', requestId)
  const challenged =
    context.acmeTokens === null ? null : acmeAnswer(context.acmeTokens, stream.method, target, requestId)
  if (challenged !== null) return challenged
  const instead = client.tls === null && client.redirect === null ? null : edgeAnswer(client, head, target, requestId)
  if (instead !== null) return instead
  if (head.maxForwards === 0) return ownOptions(requestId)
  const match = context.router.match(head.host, target)
  if (match === null) return failure('destination_not_found', requestId)
  const { route } = match
  const length = route.table.stripPrefix ? match.prefixLength : 0
  return { route, path: length === 0 ? target : withoutPrefix(target, length), prefix: target.slice(0, length) }
}

/** Answers that the listener gives by itself, in their order; null = the request goes on. */
function edgeAnswer(
  client: Pick<Client, 'trusted' | 'tls' | 'redirect'>,
  head: RequestHead,
  target: string,
  requestId: string,
): OwnAnswer | null {
  const { tls, redirect } = client
  if (tls?.isBound === true && tls.serverName !== '' && hostName(head.host) !== tls.serverName)
    return ownAnswer(421, MISDIRECTED, 'http_request_denied', requestId)
  // A trusted proxy in front may have ended TLS itself.
  if (redirect === null || head.scheme(client).toLowerCase() === 'https') return null
  return (
    redirectAnswer(redirect, head.host, target, requestId) ??
    ownAnswer(400, 'Host is missing, which the redirect to https needs.', 'http_request_denied', requestId)
  )
}

/**
 * Finds the service that serves a request of `route`, which is gone, in the table in force; null = there is none, or
 * the path for the server depends on the service.
 */
export function routeInstead(
  context: ProxyContext,
  stream: ClientStream,
  head: RequestHead,
  route: ServiceRoute,
): ServiceRoute | null {
  if (route.table.stripPrefix) return null
  const other = context.router.match(head.host, originForm(stream.target, head))?.route ?? null
  return other?.table.stripPrefix ? null : other
}

/** Removes the first `length` characters of a target; the result still begins with a slash. */
function withoutPrefix(target: string, length: number): string {
  const rest = target.slice(length)
  return rest.charCodeAt(0) === 47 ? rest : `/${rest}`
}
