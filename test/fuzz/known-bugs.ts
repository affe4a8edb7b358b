import type { BodySketch } from './bodies.ts'
import type { ConversationSketch } from './cases.ts'
import type { Answer } from './client.ts'
import type { FieldSketch } from './fields.ts'
import type { PlannedExchange } from './plan.ts'
import type { RequestSketch } from './requests.ts'
import type { ResponseSketch } from './responses.ts'

type Exchange = ConversationSketch['exchanges'][number]
type Change<T> = (sketch: T, conversation: ConversationSketch) => T

/**
 * What the proxy is known to get wrong, and is kept from until it does not: one entry a bug, each to be deleted with it.
 * A conversation that would run into it is changed so that it does not.
 */
const AVOID: readonly Change<ConversationSketch>[] = [
  // KNOWN BUG 1: behind a request with an Upgrade that is not followed, the rest of the segment is dropped, and what the
  // next one begins with is read as another request; a malformed body hangs.
  requests((request) => (isUnfollowedUpgrade(request) ? { ...request, hop: [] } : request)),
  // KNOWN BUG 2: a request that is refused by the parser, or CONNECT, takes the place of one that is still under way.
  inTurnIf(({ exchanges }) => exchanges.some(({ request }) => isWrong(request))),
  // KNOWN BUG 3: bytes behind a request with Connection: close have that request refused.
  inTurnIf(({ exchanges }) => exchanges.slice(0, -1).some(({ request }) => mayClose(request))),
  // KNOWN BUG 4 is at the end of this file.
  // KNOWN BUG 5: bytes beyond ASCII in response fields are written as UTF-8 where the head goes out by itself.
  responses((response) => ({ ...response, fields: response.fields.map(inAscii) })),
  // KNOWN BUG 6: the same in fields of a request with Trailer and chunks.
  requests((request) => (isAnnouncing(request) ? { ...request, fields: request.fields.map(inAscii) } : request)),
  // KNOWN BUG 7: Connection: close or a framing field in a trailer has the next message on the connection refused.
  requests((request) => ({ ...request, body: withoutTrailers(request.body) })),
  responses((response) => ({ ...response, body: withoutTrailers(response.body) })),
  // KNOWN BUG 8: a 204 with a Content-Length keeps it on its way to the client.
  responses((response) => (response.status === 204 ? withoutFault(response, '') : withoutFault(response, '(204)'))),
  // KNOWN BUG 9: a 1xx before an answer whose turn has not come goes out between its head and its body.
  responses((response, { pipelined }) => (pipelined ? { ...response, interim: [] } : response)),
  // KNOWN BUG 10: a status of four digits that begins with 100 is taken for 100, and waited behind for ever.
  responses((response) => withoutFault(response, 'a status " 1000 "')),
  // KNOWN BUG 11: responses of versions that do not exist, or are not spoken here, are taken for HTTP/1.
  responses((response) => withoutFault(response, 'a version "HTTP/0.9"', 'a version "HTTP/2.0"')),
  // KNOWN BUG 12: Connection: close of HTTP/1.0 is overruled by Proxy-Connection: keep-alive.
  requests((request) =>
    request.hop.includes('Proxy-Connection: keep-alive') ? { ...request, version: '1.1' } : request,
  ),
  // KNOWN BUG 13: the answer to a request with an Upgrade does not wait for those before it.
  inTurnIf(({ exchanges }) => exchanges.slice(1).some(({ request }) => request.hop.includes('Upgrade: websocket'))),
  // KNOWN BUG 14: an answer that ends the connection is lost where the client is still sending.
  requests((request) => (isWrong(request) ? inOneGo(request) : request)),
  exchanges(({ request, response }) => ({
    request,
    response: mayClose(request) ? { ...response, early: false } : response,
  })),
  // KNOWN BUG 15: an answer to HTTP/1.0 that breaks off takes what is on its way of the answers before it along.
  inTurnIf(({ exchanges }) => exchanges.some(({ request }) => request.version === '1.0')),
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
  return (conversation) =>
    exchanges((each) => ({ ...each, request: change(each.request, conversation) }))(conversation, conversation)
}

function responses(change: Change<ResponseSketch>): Change<ConversationSketch> {
  return (conversation) =>
    exchanges((each) => ({ ...each, response: change(each.response, conversation) }))(conversation, conversation)
}

function exchanges(change: (each: Exchange) => Exchange): Change<ConversationSketch> {
  return (conversation) => ({ ...conversation, exchanges: conversation.exchanges.map(change) })
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

function isAnnouncing({ hop }: RequestSketch): boolean {
  return hop.includes('Trailer: x-sum')
}

function inOneGo(request: RequestSketch): RequestSketch {
  return {
    ...request,
    cuts: [],
    bytewise: false,
    body: { ...request.body, length: Math.min(request.body.length, 1_000) },
  }
}

function inAscii(field: FieldSketch): FieldSketch {
  return { ...field, value: field.value.replace(/[\x80-\xff]/g, 'x') }
}

/** Without trailers that mean something to a parser. */
function withoutTrailers(body: BodySketch): BodySketch {
  const trailers = body.chunks.trailers.filter(([name]) => name.startsWith('Zz') || name === 'Host')
  return { ...body, chunks: { ...body.chunks, trailers } }
}

/** Without its fault, if its name ends like one of these. */
function withoutFault(response: ResponseSketch, ...ends: readonly string[]): ResponseSketch {
  const { fault } = response
  return fault !== null && ends.some((end) => fault.name.endsWith(end)) ? { ...response, fault: null } : response
}
