/** Reason to refuse a malformed or oversized message. */
export interface MessageRefusal {
  /** HTTP status for the client. */
  readonly status: number
  /** A sentence for people. */
  readonly text: string
  /** The rule that the message breaks, such as `RFC 9112 §6.3`. */
  readonly rule: string
}

function refusal(status: number, text: string, rule: string): MessageRefusal {
  return { status, text, rule }
}

export const NOT_HTTP = refusal(400, 'This is not HTTP.', 'RFC 9112 §3')
export const UNKNOWN_METHOD = refusal(501, 'This method is not known.', 'RFC 9110 §9.1')
export const TARGET_TOO_LONG = refusal(414, 'The request target is too long.', 'RFC 9110 §15.5.15')
export const BAD_TARGET = refusal(400, 'The request target has a byte that must be escaped.', 'RFC 9112 §3.2')
export const NO_TARGET = refusal(400, 'The request target is neither a path nor a URL.', 'RFC 9112 §3.2')
export const BAD_VERSION = refusal(505, 'Only HTTP/1.1 and HTTP/1.0.', 'RFC 9112 §2.3')
export const BAD_START_LINE = refusal(400, 'The start line is malformed.', 'RFC 9112 §2.1')
export const BAD_STATUS = refusal(502, 'The status is not a number from 100 to 999.', 'RFC 9112 §4')
export const BAD_LINE_END = refusal(400, 'A line does not end with CR LF.', 'RFC 9112 §2.2')
export const FOLDED_LINE = refusal(400, 'A field is folded over several lines.', 'RFC 9112 §5.2')
export const BAD_FIELD_NAME = refusal(400, 'A field name is malformed.', 'RFC 9112 §5.1')
export const BAD_FIELD_VALUE = refusal(400, 'A field value has a control character.', 'RFC 9110 §5.5')
export const HEAD_TOO_LARGE = refusal(431, 'The header is too large.', 'RFC 6585 §5')
export const TWO_LENGTHS = refusal(400, 'More than one Content-Length.', 'RFC 9112 §6.3')
export const BAD_LENGTH = refusal(400, 'Content-Length is not a number.', 'RFC 9112 §6.3')
export const LENGTH_AND_CODING = refusal(400, 'Both Transfer-Encoding and Content-Length.', 'RFC 9112 §6.1')
export const CODING_IN_1_0 = refusal(400, 'Transfer-Encoding needs HTTP/1.1.', 'RFC 9112 §6.1')
export const UNKNOWN_CODING = refusal(501, 'Only the chunked transfer coding is understood.', 'RFC 9112 §6.1')
export const CHUNKED_TWICE = refusal(400, 'The chunked transfer coding is applied twice.', 'RFC 9112 §6.1')
export const CODING_WITHOUT_BODY = refusal(400, 'Transfer-Encoding where there is no body.', 'RFC 9112 §6.1')
export const BAD_CHUNK_SIZE = refusal(400, 'A chunk size is not a hexadecimal number.', 'RFC 9112 §7.1')
export const BAD_CHUNK_END = refusal(400, 'A chunk does not end where its size says.', 'RFC 9112 §7.1')
export const BAD_CHUNK_EXTENSION = refusal(400, 'A chunk extension is malformed.', 'RFC 9112 §7.1.1')
export const CHUNK_EXTENSIONS_TOO_LARGE = refusal(413, 'The chunk extensions are too large.', 'RFC 9112 §7.1.1')
export const TRAILERS_TOO_LARGE = refusal(431, 'The trailers are too large.', 'RFC 9112 §7.1.2')
export const HEAD_STALLED = refusal(408, 'The request took too long.', 'RFC 9110 §15.5.9')
export const BODY_STALLED = refusal(408, 'The body took too long.', 'RFC 9110 §15.5.9')
export const TOO_MANY_INTERIM = refusal(502, 'Too many interim responses.', 'RFC 9110 §15.2')
export const NO_SWITCH_OF_PROTOCOLS = refusal(502, 'The server did not switch to the WebSocket.', 'RFC 8441 §5')
export const UNASKED_UPGRADE = refusal(502, 'A switch to a protocol that was not asked for.', 'RFC 9110 §7.8')
