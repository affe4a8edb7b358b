import { TRAILER, UPGRADE } from '../../http1/field-names.ts'
import type { Fields } from '../../http1/fields.ts'
import type { ResponseBody } from '../../http1/inbound-request.ts'
import type { ResponseStart } from '../../http1/outbound-call.ts'
import { dateLine } from '../date.ts'
import type { OwnAnswer } from '../own-answer.ts'
import { editResponseLines, type PolicySubject } from '../policy-lines.ts'
import { optionFor, responseLines } from '../upstream/response-lines.ts'
import { DATE, X_REQUEST_ID } from '../wire.ts'
import type { ClientStream } from './client-stream.ts'
import type { RequestHead } from './request-head.ts'
import { OWN_HOP } from './via.ts'

const CONTINUE = 100
const VIA_LINE = `via: ${OWN_HOP}\r\n`

/** Sets the head of a server's response for the client. `subject`: its request. */
export function respond(
  stream: ClientStream,
  { status, reason, fields, body }: ResponseStart,
  subject: PolicySubject,
): void {
  const kind = bodyFor(stream, status, body)
  let lines = responseLines(fields, status) + VIA_LINE
  if (!fields.has(DATE)) lines += dateLine()
  if (!fields.has(X_REQUEST_ID)) lines += `x-request-id: ${subject.requestId}\r\n`
  lines = editResponseLines(lines, subject)
  if (kind === 'chunked' && fields.has(TRAILER)) lines += `trailer: ${fields.joined(TRAILER)}\r\n`
  stream.respond(status, reason, lines, kind, optionFor(fields, status))
}

/**
 * Passes an interim response on. A client of HTTP/1.0 knows none, and one that did not ask for 100 does not expect it
 * (RFC 9110 §15.2). Returns whether it was the 100 that the client waits for.
 */
export function passInterim(stream: ClientStream, status: number, fields: Fields, awaitsContinue: boolean): boolean {
  const isContinue = status === CONTINUE
  if (!stream.takesChunks || (isContinue && !awaitsContinue)) return false
  stream.interim(status, isContinue ? '' : responseLines(fields, status))
  return isContinue
}

/**
 * Whether the client may still send a body that it held back and that is no longer wanted, or bytes of the protocol
 * that it wanted to switch to: then the connection closes with the response.
 */
export function mayHaveMore(stream: ClientStream, { upgrade }: RequestHead, awaitsContinue: boolean): boolean {
  return (awaitsContinue && !stream.isComplete) || upgrade !== ''
}

/** Sends a response of our own to a request, whole. */
export function respondWith(stream: ClientStream, { status, body, lines }: OwnAnswer, subject: PolicySubject): void {
  const hasBody = stream.method !== 'HEAD' && body !== ''
  stream.respond(status, null, editResponseLines(lines + dateLine(), subject), hasBody ? 'length' : 'none')
  if (hasBody) stream.write(Buffer.from(body))
  stream.end()
}

/** Returns the field lines of a 101 for the client. */
export function switchLines(fields: Fields, status: number, subject: PolicySubject): string {
  return `${editResponseLines(responseLines(fields, status), subject)}Connection: upgrade\r\nUpgrade: ${fields.joined(UPGRADE)}\r\n`
}

/** Determines the body of the response to the client. */
function bodyFor(stream: ClientStream, status: number, body: ResponseStart['body']): ResponseBody {
  if (stream.method === 'HEAD' || status === 204 || status === 304) return 'none'
  const { kind } = body.framing
  if (kind === 'none' || kind === 'length') return kind
  body.isBare = !stream.takesChunks
  return kind === 'chunked' && !body.isBare ? 'chunked' : 'unknown'
}
