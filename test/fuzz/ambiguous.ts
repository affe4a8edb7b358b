import type { ConversationSketch } from './conversation-sketch.ts'
import type { RequestSketch } from './requests.ts'
import type { ResponseSketch } from './responses.ts'

type Change<T> = (sketch: T, conversation: ConversationSketch) => T
type RequestChange = (
  sketch: RequestSketch,
  conversation: ConversationSketch,
  response: ResponseSketch,
) => RequestSketch
type ResponseChange = (
  sketch: ResponseSketch,
  conversation: ConversationSketch,
  request: RequestSketch,
) => ResponseSketch

/** What conversations are kept from: what may end either way. */
const AVOID: readonly Change<ConversationSketch>[] = [
  // A client that ends its side in the middle of a request, and in one go, has others behind it taken for its rest.
  inTurnIf(({ exchanges }) => exchanges.some(({ request }) => isWrong(request))),
  // A client that waits for an answer to the beginning of a request has nothing to send behind it.
  inTurnIf(({ exchanges }) => exchanges.some(({ request }) => request.expectation?.waits === true)),
  // The result of an expectation is not certain if the request is wrong, or its response has a 100 anyway.
  requests((request, _conversation, response) =>
    isWrong(request) || response.interim.some(({ status }) => status === 100)
      ? { ...request, expectation: null }
      : request,
  ),
  // A request that is wrong behind its head may be refused, or failed before that.
  (conversation) => ({
    ...conversation,
    exchanges: conversation.exchanges.map((each) => (isWrong(each.request) ? { ...each, firstTry: null } : each)),
  }),
  // Max-Forwards is answered here or counted down.
  requests((request) => (request.method === 'OPTIONS' ? withoutField(request, 'Max-Forwards') : request)),
  // An answer that is there before the mistake in its request may stand, or be broken off.
  responses((response, _conversation, request) => (isWrong(request) ? { ...response, early: false } : response)),
]

export function avoidAmbiguous(conversation: ConversationSketch): ConversationSketch {
  return AVOID.reduce((changed, avoid) => avoid(changed, changed), conversation)
}

function requests(change: RequestChange): Change<ConversationSketch> {
  return (conversation) => ({
    ...conversation,
    exchanges: conversation.exchanges.map((each) => ({
      ...each,
      request: change(each.request, conversation, each.response),
    })),
  })
}

function responses(change: ResponseChange): Change<ConversationSketch> {
  return (conversation) => ({
    ...conversation,
    exchanges: conversation.exchanges.map((each) => ({
      ...each,
      response: change(each.response, conversation, each.request),
    })),
  })
}

function inTurnIf(applies: (conversation: ConversationSketch) => boolean): Change<ConversationSketch> {
  return (conversation) => (applies(conversation) ? { ...conversation, pipelined: false } : conversation)
}

function withoutField(request: RequestSketch, name: string): RequestSketch {
  return { ...request, fields: request.fields.filter((field) => field.name !== name) }
}

function isWrong({ fault, damage }: RequestSketch): boolean {
  return fault !== null || damage !== null
}
