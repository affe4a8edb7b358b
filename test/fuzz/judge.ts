import { type Answer, isLast, type Transcript } from './client.ts'
import { demand, Violation } from './demand.ts'
import { demandRelayed } from './judge-answer.ts'
import { demandNotWhole, demandSeen, demandUnseen } from './judge-request.ts'
import { demandTunnelled } from './judge-tunnel.ts'
import { type PlannedConversation, type PlannedExchange, RESPONSE_ID_FIELD } from './plan.ts'
import type { FuzzServer } from './server.ts'
import { show, statusOf, valuesOf } from './wire.ts'

/** Expected fate of the requests after the one that was judged last. */
type Beyond =
  /** They are answered in turn. */
  | 'served'
  /** They may have been forwarded, but the client gets no responses to them. */
  | 'unanswered'
  /** The server must see none of them. */
  | 'nothing'

/** Compares the messages that a client and the server received with the plan. Throws a Violation where they differ. */
export async function judge(planned: PlannedConversation, transcript: Transcript, server: FuzzServer): Promise<void> {
  const { announcement, exchanges } = planned
  if (announcement?.isBad) judgeUnannounced(exchanges, transcript, server)
  else judgeAll(exchanges, transcript, server)
  if (transcript.tunnelled === null) return
  const [exchange, answer] = [exchanges.at(-1), transcript.answers.at(-1)]
  if (exchange === undefined || answer === undefined || exchange.tunnel === null)
    throw new Violation('a tunnel to nobody')
  demandTunnelled(exchange, exchange.tunnel, answer, transcript.tunnelled, await server.tunnelOf(exchange.id))
}

/** Demands that a client with an invalid PROXY header gets no answer, and that the server sees none of its requests. */
function judgeUnannounced(
  exchanges: readonly PlannedExchange[],
  { answers, rest }: Transcript,
  server: FuzzServer,
): void {
  for (const [i, exchange] of exchanges.entries()) {
    demand(answers[i] === undefined, exchange, 'was answered without a PROXY header', answers[i])
    demandUnseen(exchange, server)
  }
  if (rest.length > 0) throw new Violation(`bytes without a PROXY header: ${show(rest)}`)
}

function judgeAll(exchanges: readonly PlannedExchange[], transcript: Transcript, server: FuzzServer): void {
  const { answers, rest, ending, hungUp } = transcript
  let beyond: Beyond = 'served'
  for (const [i, exchange] of exchanges.entries()) {
    const answer = answers[i]
    if (beyond === 'served') {
      const isCut = hungUp && i === answers.length - 1
      beyond = judgeExchange(exchange, answer, transcript, server)
      // A response without a body that is broken off looks whole to the client.
      if (beyond === 'served' && isCut && mayBreak(exchange)) beyond = 'unanswered'
    } else {
      demand(answer === undefined, exchange, 'was answered behind the end of the connection', answer)
      if (beyond === 'nothing') demandUnseen(exchange, server)
      else demandSeen({ ...exchange, seen: { ...exchange.seen, least: 0 } }, server)
    }
  }
  if (beyond === 'unanswered') return
  const isExpected = isEarlyRefusal(exchanges[answers.length], rest) || isRefusalOfNoHead(exchanges[answers.length - 1])
  if (rest.length > 0 && !isExpected) throw new Violation(`bytes behind the last answer: ${show(rest)}`)
  if (beyond === 'served' && (hungUp || ending !== 'fin')) throw new Violation('the proxy hung up without need')
}

function judgeExchange(
  exchange: PlannedExchange,
  answer: Answer | undefined,
  transcript: Transcript,
  server: FuzzServer,
): Beyond {
  switch (exchange.request.fate) {
    case 'refused':
      demandUnseen(exchange, server)
      return demandRefused(exchange, answer)
    case 'refused late':
      demandNotWhole(exchange, server)
      return demandRefused(exchange, answer)
    case 'abandoned':
      demandNotWhole(exchange, server)
      demand(answer === undefined, exchange, 'was answered before its end', answer)
      return 'nothing'
    case 'forwarded or refused':
      if (answer === undefined || !isRefusal(answer)) return judgeForwarded(exchange, answer, transcript, server)
      demandNotWhole(exchange, server)
      return demandRefused(exchange, answer)
    case 'forwarded':
    case 'declined':
      return judgeForwarded(exchange, answer, transcript, server)
  }
}

function demandRefused(exchange: PlannedExchange, answer: Answer | undefined): Beyond {
  const isRefused = answer !== undefined && isRefusal(answer) && answer.isWhole && isLast(answer.message)
  demand(isRefused, exchange, 'was not refused, with the connection to close', answer)
  return 'nothing'
}

function judgeForwarded(
  exchange: PlannedExchange,
  answer: Answer | undefined,
  { ending }: Transcript,
  server: FuzzServer,
): Beyond {
  const { request, response } = exchange
  demandSeen(exchange, server)
  if (answer === undefined) {
    demand(mayBreak(exchange) && ending === 'reset', exchange, 'was not answered', answer)
    return 'unanswered'
  }
  if (isOwn(answer)) {
    demand(statusOf(answer.message) === 502 && answer.isWhole, exchange, 'was answered by the proxy itself', answer)
    demand(response.fate !== 'whole', exchange, 'had an answer that is fine, and did not get it', answer)
  } else {
    demand(response.fate !== 'bad', exchange, 'got an answer that is bad', answer)
    demandRelayed(exchange, answer)
    if (!answer.isWhole) {
      demand(mayBreak(exchange), exchange, 'got an answer that was whole, but broken off', answer)
      return 'unanswered'
    }
    demand(response.fate !== 'broken', exchange, 'got what was broken off as if it were whole', answer)
  }
  if (exchange.tunnel !== null) return 'nothing'
  if (request.closes === true) {
    demand(isLast(answer.message), exchange, 'wanted the connection closed', answer)
    return 'nothing'
  }
  if (!isLast(answer.message)) return 'served'
  demand(request.closes === 'maybe', exchange, 'was answered with an end of the connection without need', answer)
  return 'unanswered'
}

function mayBreak({ response }: PlannedExchange): boolean {
  return response.fate === 'broken' || response.fate === 'whole or bad'
}

/** The beginning of a request may be refused before the client leaves. */
function isEarlyRefusal(exchange: PlannedExchange | undefined, rest: Buffer): boolean {
  return exchange?.request.fate === 'abandoned' && /^HTTP\/1\.1 [45]/.test(rest.toString('latin1'))
}

/** A damaged HEAD may be none any more, so that its refusal has a body. */
function isRefusalOfNoHead(exchange: PlannedExchange | undefined): boolean {
  if (exchange?.request.method !== 'HEAD' || exchange.request.fate !== 'refused') return false
  return !Buffer.concat([...exchange.request.pieces])
    .toString('latin1')
    .startsWith('HEAD ')
}

/** 4xx, 501 or 505 of the proxy itself. */
function isRefusal(answer: Answer): boolean {
  const status = statusOf(answer.message)
  return isOwn(answer) && status >= 400 && status !== 502
}

function isOwn({ message }: Answer): boolean {
  return valuesOf(message.fields, RESPONSE_ID_FIELD).length === 0
}
