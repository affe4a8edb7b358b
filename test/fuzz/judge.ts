import { type Answer, isLast, type Transcript } from './client.ts'
import { type PlannedConversation, type PlannedExchange, RESPONSE_ID_FIELD } from './plan.ts'
import type { FuzzServer } from './server.ts'
import { type Field, type Message, show, statusOf, valuesOf } from './wire.ts'

/** Something that must not be. */
export class Violation extends Error {}

/** Fields that end at the proxy, and those that the generators name in Connection. */
const HOP_BY_HOP = ['te', 'upgrade', 'proxy-connection', 'http2-settings', 'x-hop', 'x-other']
const NOT_IN_TRAILERS = ['content-length', 'transfer-encoding', 'host', 'connection']

/** What may come of the requests behind the one that was looked at last. */
type Beyond =
  /** They are answered in their turn. */
  | 'served'
  /** They may be under way already, but nobody will have their answers. */
  | 'unanswered'
  /** The server must never see any of them. */
  | 'nothing'

/** Holds what a client and the server have seen against what was planned; throws where it differs. */
export function judge(planned: PlannedConversation, transcript: Transcript, server: FuzzServer): void {
  const { announcement, exchanges } = planned
  if (announcement?.isBad) judgeUnannounced(exchanges, transcript, server)
  else judgeAll(exchanges, transcript, server)
}

/** Who does not say whom it connects for gets nothing at all. */
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
      // Where there is no body, what was broken off looks whole to the client.
      if (beyond === 'served' && isCut && mayBreak(exchange)) beyond = 'unanswered'
    } else {
      demand(answer === undefined, exchange, 'was answered behind the end of the connection', answer)
      if (beyond === 'nothing') demandUnseen(exchange, server)
      else demandSeen(exchange, server, 0, 1)
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
  demandSeen(exchange, server, response.early ? 0 : 1, 1)
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

/** What the client has got is the server's answer to this very request, or the beginning of it. */
function demandRelayed({ id, ...exchange }: PlannedExchange, answer: Answer): void {
  const { request, response } = exchange
  const { message, interim } = answer
  const is = (what: boolean, why: string) => demand(what, { id, ...exchange }, why, answer)
  is(message.startLine.startsWith('HTTP/1.1 '), 'got another version')
  is(valuesOf(message.fields, RESPONSE_ID_FIELD).join() === id, 'got an answer that belongs to another request')
  is(statusOf(message) === response.status, 'got another status')
  if (answer.isWhole) is(message.body.equals(response.body), `got another body than ${show(response.body)}`)
  else
    is(response.body.subarray(0, message.body.length).equals(message.body), 'got what is not the beginning of its body')
  is(request.version === '1.1' || message.framing !== 'chunked', 'got chunks in HTTP/1.0')
  for (const name of HOP_BY_HOP) {
    // A 426 has to name the protocols.
    const mayHave = name === 'upgrade' && statusOf(message) === 426
    is(mayHave || valuesOf(message.fields, name).length === 0, `got ${name}, which is not for it`)
  }
  for (const [name] of response.fields) {
    const [seen, planned] = [message.fields, response.fields].map((fields) => valuesOf(fields, name.toLowerCase()))
    is(JSON.stringify(seen) === JSON.stringify(planned), `got ${name}: ${show(JSON.stringify(seen))}`)
  }
  for (const [name, value] of message.trailers) {
    is(!NOT_IN_TRAILERS.includes(name.toLowerCase()), `got ${name} behind the body`)
    const isPlanned = response.trailers.some(
      (trailer) => trailer[0].toLowerCase() === name.toLowerCase() && trailer[1] === value,
    )
    is(isPlanned, `got the trailer ${name}: ${value}`)
  }
  is(interim.length === 0 || request.version === '1.1', 'got a 1xx in HTTP/1.0')
  const planned = [...response.interim]
  for (const each of interim) {
    while (planned.length > 0 && planned[0] !== statusOf(each)) planned.shift()
    is(planned.shift() !== undefined && statusOf(each) > 101, `got a ${statusOf(each)} before it`)
  }
}

/** The server has got it so often, and every time as it was sent. */
function demandSeen(exchange: PlannedExchange, server: FuzzServer, least: number, most: number): void {
  const seen = server.requestsOf(exchange.id)
  const times = `came to the server ${seen.length} times`
  demand(seen.length >= least && seen.length <= most, exchange, times, undefined)
  for (const message of seen) demandForwarded(exchange, message)
}

function demandForwarded(exchange: PlannedExchange, message: Message): void {
  const { method, target, fields, body } = exchange.request
  const is = (what: boolean, why: string) => demand(what, exchange, `came to the server with ${why}`, undefined)
  const startLine = `${method} ${target} HTTP/1.1`
  is(message.startLine === startLine, `${show(message.startLine)} instead of ${show(startLine)}`)
  is(message.body.equals(body), `the body ${show(message.body)} instead of ${show(body)}`)
  for (const name of HOP_BY_HOP) {
    const isAsked = exchange.request.upgrades && name === 'upgrade'
    is(valuesOf(message.fields, name).length === (isAsked ? 1 : 0), `the field ${name}`)
  }
  const names = new Set(fields.map(([name]) => name.toLowerCase()))
  const seen = message.fields.filter(([name]) => names.has(name.toLowerCase()))
  is(textOf(seen) === textOf(fields), `the fields ${show(textOf(seen))} instead of ${show(textOf(fields))}`)
}

function demandUnseen(exchange: PlannedExchange, server: FuzzServer): void {
  server.forbid(exchange.id, 'nothing')
  demand(!server.hasTraceOf(exchange.id), exchange, 'came to the server', undefined)
}

function demandNotWhole(exchange: PlannedExchange, server: FuzzServer): void {
  server.forbid(exchange.id, 'not whole')
  demandSeen(exchange, server, 0, 0)
}

function demand(what: boolean, { id, faults }: PlannedExchange, why: string, answer: Answer | undefined): void {
  if (what) return
  const got = answer === undefined ? '' : `: ${show(answer.message.startLine)}, body ${show(answer.message.body)}`
  const whole = answer === undefined || answer.isWhole ? '' : ' (broken off)'
  throw new Violation(`request ${id} (${faults.join(', ') || 'nothing wrong with it'}) ${why}${got}${whole}`)
}

/** What is sent of a request may be refused before the client goes away. */
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

function textOf(fields: readonly Field[]): string {
  return fields.map(([name, value]) => `${name}: ${value}`).join('\r\n')
}
