import type { BodySketch } from './bodies.ts'
import type { ConversationSketch } from './cases.ts'
import type { Answer } from './client.ts'
import type { PlannedExchange } from './plan.ts'
import type { RequestSketch } from './requests.ts'
import type { ResponseSketch } from './responses.ts'

type Change<T> = (sketch: T, conversation: ConversationSketch) => T
type ResponseChange = (
  sketch: ResponseSketch,
  conversation: ConversationSketch,
  request: RequestSketch,
) => ResponseSketch

/**
 * What conversations are kept from: what may end either way, and what the proxy is known to get wrong (one entry a bug, to
 * be deleted with it). A conversation that would run into it is changed so that it does not.
 */
const AVOID: readonly Change<ConversationSketch>[] = [
  // No bug: node:http loses its place behind an offer of h2c, so that the connection may end there; and the servers here do
  // not answer upgrades that have a body.
  requests((request) => (isUnfollowedUpgrade(request) ? { ...request, hop: [] } : request)),
  // KNOWN BUG 3 (remainder): bytes behind a request with Connection: close can cost it its answer, by a reset.
  inTurnIf(({ exchanges }) => exchanges.slice(0, -1).some(({ request }) => mayClose(request))),
  // A client that ends its side has left, as for nginx, and in one go it ends it at once: what is under way then may go
  // unanswered.
  inTurnIf(({ exchanges }) => exchanges.some(({ request }) => isWrong(request))),
  // An answer that is there before the mistake in its request may stand, or be broken off.
  responses((response, _conversation, request) => (isWrong(request) ? { ...response, early: false } : response)),
  // KNOWN BUG 4 is at the end of this file.
  // KNOWN BUG 7: Connection: close or a framing field in a trailer has the next message on the connection refused.
  requests((request) => ({ ...request, body: withoutTrailers(request.body) })),
  responses((response) => ({ ...response, body: withoutTrailers(response.body) })),
  // KNOWN BUG 15: an answer to HTTP/1.0 that breaks off takes what is on its way of the answers before it along.
  inTurnIf(({ exchanges }) => exchanges.some(({ request }) => request.version === '1.0')),
  // KNOWN BUG 14: an answer that ends the connection, and comes before the end of its request, is reset: in HTTP/1.0 that
  // looks broken off, and any may be lost.
  responses((response, _conversation, request) => (mayClose(request) ? { ...response, early: false } : response)),
]

export function avoidKnownBugs(conversation: ConversationSketch): ConversationSketch {
  return AVOID.reduce((changed, avoid) => avoid(changed, changed), conversation)
}

/** KNOWN BUG 4: the refusal of a HEAD by the parser, or where it asks for an upgrade, has a body. */
export function isBodyOfRefusedHead(
  exchange: PlannedExchange | undefined,
  last: Answer | undefined,
  rest: Buffer,
): boolean {
  const { method, fate, upgrades } = exchange?.request ?? {}
  return method === 'HEAD' && (fate === 'refused' || upgrades === true) && last !== undefined && rest.length < 100
}

function requests(change: Change<RequestSketch>): Change<ConversationSketch> {
  return (conversation) => ({
    ...conversation,
    exchanges: conversation.exchanges.map((each) => ({ ...each, request: change(each.request, conversation) })),
  })
}

function responses(change: ResponseChange): Change<ConversationSketch> {
  return (conversation) => ({
    ...conversation,
    exchanges: conversation.exchanges.map(({ request, response }) => ({
      request,
      response: change(response, conversation, request),
    })),
  })
}

function inTurnIf(applies: (conversation: ConversationSketch) => boolean): Change<ConversationSketch> {
  return (conversation) => (applies(conversation) ? { ...conversation, pipelined: false } : conversation)
}

function isWrong({ fault, damage }: RequestSketch): boolean {
  return fault !== null || damage !== null
}

function mayClose({ version, persistence }: RequestSketch): boolean {
  return version === '1.0' || persistence === 'close'
}

function isUnfollowedUpgrade(request: RequestSketch): boolean {
  const { hop, framing } = request
  if (hop.includes('Upgrade: h2c')) return true
  return hop.includes('Upgrade: websocket') && (framing !== 'none' || isWrong(request))
}

/** Without trailers that mean something to a parser. */
function withoutTrailers(body: BodySketch): BodySketch {
  const trailers = body.chunks.trailers.filter(([name]) => name.startsWith('Zz') || name === 'Host')
  return { ...body, chunks: { ...body.chunks, trailers } }
}
