import type { Refusal } from './guard.ts'

/** Error of the parser of node:http. */
export interface ParserError extends Error {
  readonly code?: string
  readonly rawPacket?: Buffer
  /** Number of bytes of the packet before the error. */
  readonly bytesParsed?: number
}

/** The known parts of a refused request; empty = unknown. */
export interface RequestLine {
  readonly method: string
  readonly target: string
  readonly host: string
}

/** Whether the client closed the connection in the middle of a message, as opposed to sending a malformed one. */
export function isHangUp({ code }: ParserError): boolean {
  return code === 'HPE_INVALID_EOF_STATE' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** Whether the client sent more after its last request; it is ignored. */
export function isBehindClose({ code }: ParserError): boolean {
  return code === 'HPE_CLOSED_CONNECTION'
}

const LINE_END = 10
const HEAD_END = '\r\n\r\n'
const REQUEST_LINE = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}) ([!-~\x80-\xff]+) HTTP\/\d/
const METHOD = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64} /

/** Returns the refusal for an error of the parser. */
export function refusalOf({ code = '', rawPacket, bytesParsed }: ParserError): Refusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      // Without a line end, the request line itself is too long.
      return rawPacket?.subarray(0, bytesParsed).includes(LINE_END) === false
        ? { status: 414, text: 'The request target is too long.' }
        : { status: 431, text: 'The header is too large.' }
    case 'HPE_INVALID_METHOD':
      return rawPacket !== undefined && METHOD.test(rawPacket.toString('latin1', 0, 80))
        ? { status: 501, text: 'This method is not known.' }
        : { status: 400, text: 'This is not HTTP.' }
    case 'HPE_INVALID_VERSION':
    case 'HPE_PAUSED_H2_UPGRADE':
      return { status: 505, text: 'Only HTTP/1.1 and HTTP/1.0.' }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, text: 'The request took too long.' }
    default:
      return { status: 400, text: 'The request is malformed.' }
  }
}

/** Returns the request line of the request with the error, as far as the current packet contains it. */
export function requestLineOf({ rawPacket, bytesParsed = 0 }: ParserError): RequestLine {
  const packet = rawPacket?.toString('latin1') ?? ''
  // Skip earlier requests in the same packet.
  const before = packet.lastIndexOf(HEAD_END, bytesParsed - 1)
  const [, method = '', target = ''] = REQUEST_LINE.exec(before === -1 ? packet : packet.slice(before + 4)) ?? []
  return { method, target, host: '' }
}
