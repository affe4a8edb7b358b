import { CONTENT_LENGTH, TRAILER, UPGRADE } from '../../http1/field-names.ts'
import type { Fields } from '../../http1/fields.ts'
import type { ResponseBody } from '../../http1/inbound-request.ts'
import type { ResponseStart } from '../../http1/outbound-call.ts'
import { dateLine } from '../date.ts'
import { failure, type OwnAnswer } from '../own-answer.ts'
import { editResponseLines, type PolicySubject } from '../policy-lines.ts'
import { optionFor, responseLines } from '../upstream/response-lines.ts'
import { DATE, X_REQUEST_ID } from '../wire.ts'
import type { ClientStream } from './client-stream.ts'
import type { RequestHead } from './request-head.ts'
import { OWN_HOP, viaForServer } from './via.ts'

const CONTINUE = 100
const VIA_LINE = `via: ${OWN_HOP}\r\n`
const NO_LENGTH = 'content-length: 0\r\n'
const VIA_LINE_2 = `via: ${viaForServer('', '2.0', false)}\r\n`

/** Sets the head of a server's response for the client. `subject`: its request. Returns false if a hook has failed. */
export function respond(
  stream: ClientStream,
  { status, version, reason, fields, body }: ResponseStart,
  subject: PolicySubject,
): boolean {
  const kind = bodyFor(stream, status, body)
  let lines = responseLines(fields, status) + (version === '2.0' ? VIA_LINE_2 : VIA_LINE)
  if (!fields.has(DATE)) lines += dateLine()
  if (version === '2.0' && endsWithHead(stream, status, kind) && !fields.has(CONTENT_LENGTH)) lines += NO_LENGTH
  if (!fields.has(X_REQUEST_ID)) lines += `x-request-id: ${subject.requestId}\r\n`
  const edited = editResponseLines(lines, subject)
  if (edited === null) return false
  // What a server of HTTP/1.1 ends by closing its connection has no trailers.
  const mayHaveTrailers = body.framing.kind === 'chunked' || version === '2.0'
  const hasTrailers = kind === 'chunked' || (kind === 'unknown' && mayHaveTrailers && stream.version !== '1.0')
  const trailer = hasTrailers && fields.has(TRAILER) ? `trailer: ${fields.joined(TRAILER)}\r\n` : ''
  const phrase = subject.status === status ? reason : null
  stream.respond(subject.status, phrase, edited + trailer, kind, optionFor(fields, status))
  return true
}

/**
 * Passes an interim response on. A client of HTTP/1.0 knows none, and one that did not ask for 100 does not expect it
 * (RFC 9110 §15.2). Returns whether it was the 100 that the client waits for.
 */
export function passInterim(stream: ClientStream, status: number, fields: Fields, awaitsContinue: boolean): boolean {
  const isContinue = status === CONTINUE
  if (stream.version === '1.0' || (isContinue && !awaitsContinue)) return false
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

/** The response of our own to a request as policies and hooks have changed it, or the one to the failure of a hook. */
export function finalAnswer({ status, code, body, lines }: OwnAnswer, subject: PolicySubject): OwnAnswer {
  subject.status = status
  const edited = editResponseLines(lines, subject)
  if (edited === null) return finalAnswer(failure('hook_failed', subject.requestId), subject)
  return { status: subject.status, code, body, lines: edited }
}

/** Sends a response of our own to a request, whole. */
export function respondWith(stream: ClientStream, { status, body, lines }: OwnAnswer): void {
  const hasBody = stream.method !== 'HEAD' && body.length > 0
  stream.respond(status, null, lines, hasBody ? 'length' : 'none')
  if (hasBody) stream.write(typeof body === 'string' ? Buffer.from(body) : body)
  stream.end()
}

/** Returns the field lines of a 101 for the client; null = a hook has failed. */
export function switchLines(fields: Fields, status: number, subject: PolicySubject): string | null {
  const lines = editResponseLines(responseLines(fields, status), subject)
  return lines === null ? null : `${lines}Connection: upgrade\r\nUpgrade: ${fields.joined(UPGRADE)}\r\n`
}

/** Whether a client of HTTP/1 has to be told that no body follows, which HTTP/2 says with the end of the stream. */
function endsWithHead({ method, version }: ClientStream, status: number, kind: ResponseBody): boolean {
  return kind === 'none' && version !== '2.0' && method !== 'HEAD' && status !== 204 && status !== 304
}

/** Determines the body of the response to the client. */
function bodyFor(stream: ClientStream, status: number, body: ResponseStart['body']): ResponseBody {
  if (stream.method === 'HEAD' || status === 204 || status === 304) return 'none'
  const { kind } = body.framing
  if (kind === 'none' || kind === 'length') return kind
  body.isBare = !stream.takesChunks
  return kind === 'chunked' && !body.isBare ? 'chunked' : 'unknown'
}
