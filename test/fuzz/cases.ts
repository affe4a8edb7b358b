import fc from 'fast-check'
import { avoidAmbiguous } from './ambiguous.ts'
import {
  announcements,
  clientFields,
  PLAIN_ANNOUNCEMENT,
  type PlannedAnnouncement,
  planAnnouncement,
} from './announcement.ts'
import type { ConversationSketch, ExchangeSketch } from './conversation-sketch.ts'
import { toExpectation, unasked } from './expectation.ts'
import { firstTries, retried } from './first-try.ts'
import type { LaneKind } from './lane-kind.ts'
import { cut } from './pieces.ts'
import { type FirstTry, idOf, type PlannedConversation, type PlannedExchange } from './plan.ts'
import { planRequest, type RequestSketch, requests } from './requests.ts'
import { planResponse, type ResponseSketch, responses } from './responses.ts'
import { planTunnel, tunnels } from './tunnels.ts'

/** Client connections that are open at the same time. */
export type CaseSketch = readonly ConversationSketch[]

const conversations: fc.Arbitrary<ConversationSketch> = fc.record({
  exchanges: fc.array(fc.record({ request: requests, response: responses, firstTry: firstTries }), {
    minLength: 1,
    maxLength: 4,
    size: 'max',
  }),
  tunnel: tunnels,
  announcement: announcements,
  pipelined: fc.boolean(),
  cuts: fc.array(fc.nat(500_000), { maxLength: 5 }),
})

export const cases: fc.Arbitrary<CaseSketch> = fc.array(conversations, { minLength: 1, maxLength: 3, size: 'max' })

/** An exchange that neither fails nor becomes a tunnel. */
const ONCE = { firstTry: null, tries: 1, seen: { least: 1, most: 1 }, tunnel: null } as const

let count = 0

/** What a case comes to at a host, with ids that were never used before. */
export function planCase(sketch: CaseSketch, host: string, kind: LaneKind): PlannedConversation[] {
  return sketch.map(avoidAmbiguous).map((conversation) => {
    const { pipelined, tunnel, cuts } = conversation
    const announcement = kind.isAnnounced ? planAnnouncement(conversation.announcement) : null
    const planned = conversation.exchanges.map((each) => inLane(planExchange(each, host), each.firstTry, kind))
    if (tunnel !== null) {
      const opening = { ...ONCE, ...planTunnel(tunnel, idOf(count++), host) }
      planned.push(inLane(opening, tunnel.firstTry, kind))
    }
    const exchanges = planned.map((exchange) => ofClient(exchange, announcement))
    if (!pipelined) return { announcement, exchanges, pipelined: null }
    const all = exchanges.flatMap(({ request }) => request.pieces)
    const places = all.length > exchanges.length ? boundaries(all) : []
    return { announcement, exchanges, pipelined: cut(Buffer.concat(all), [...places, ...cuts]) }
  })
}

function planExchange({ request, response }: ExchangeSketch, host: string): PlannedExchange {
  const id = idOf(count++)
  const planned = planRequest(request, id, host)
  const answer = toExpectation(planned, planResponse(response, id, planned, host), request.expectation)
  const faults = [request, response].flatMap(faultsOf)
  const seen = { least: answer.early ? 0 : 1, most: planned.fate === 'declined' ? 0 : 1 }
  return { ...ONCE, id, request: unasked(planned, answer), response: answer, faults, seen }
}

function inLane(exchange: PlannedExchange, firstTry: FirstTry | null, { isRetried }: LaneKind): PlannedExchange {
  return isRetried ? retried(exchange, firstTry) : exchange
}

function ofClient(exchange: PlannedExchange, announcement: PlannedAnnouncement | null): PlannedExchange {
  const { request } = exchange
  return { ...exchange, request: { ...request, fields: [...request.fields, ...clientFields(announcement)] } }
}

/** A request and a response with nothing special about them. */
export function planPlain(host: string, { isAnnounced }: LaneKind): PlannedConversation {
  const announcement = isAnnounced ? planAnnouncement(PLAIN_ANNOUNCEMENT) : null
  const id = idOf(count++)
  const text = (lines: readonly string[]) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
  const body = Buffer.from(`the answer to ${id}`)
  const exchange: PlannedExchange = {
    id,
    request: {
      method: 'GET',
      version: '1.1',
      pieces: [text([`GET /${id} HTTP/1.1`, `Host: ${host}`, `x-asked: ${id}`])],
      held: [],
      expects: false,
      fate: 'forwarded',
      leaves: null,
      upgrades: false,
      closes: false,
      target: `/${id}`,
      fields: [['x-asked', id], ...clientFields(announcement)],
      body: Buffer.alloc(0),
    },
    response: {
      fate: 'whole',
      pieces: [text(['HTTP/1.1 200 OK', `Content-Length: ${body.length}`, `x-answer-to: ${id}`]), body],
      ending: 'keep',
      early: false,
      continues: false,
      status: 200,
      fields: [['x-answer-to', id]],
      body,
      trailers: [],
      interim: [],
    },
    faults: [],
    ...ONCE,
  }
  return { announcement, exchanges: [exchange], pipelined: null }
}

function faultsOf({ fault, damage }: RequestSketch | ResponseSketch): string[] {
  return fault !== null ? [fault.name] : damage !== null ? ['a byte'] : []
}

/** Where the pieces begin. */
function boundaries(pieces: readonly Buffer[]): number[] {
  let at = 0
  return pieces.map((piece) => {
    at += piece.length
    return at
  })
}
