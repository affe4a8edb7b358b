import type { Refusal } from './guard.ts'

/** What node:http tells of bytes it could not make sense of. */
export interface ParserError extends Error {
  readonly code?: string
  readonly rawPacket?: Buffer
  /** Bytes of the packet up to where it went wrong. */
  readonly bytesParsed?: number
}

/** What is known of a request of which there is no more than that; empty = not known. */
export interface RequestLine {
  readonly method: string
  readonly target: string
  readonly host: string
}

/** Whether the client has left in the middle of a message, rather than sent a wrong one. */
export function isHangUp({ code }: ParserError): boolean {
  return code === 'HPE_INVALID_EOF_STATE' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** Whether more has come behind the request that was to be the last one; it is not read. */
export function isBehindClose({ code }: ParserError): boolean {
  return code === 'HPE_CLOSED_CONNECTION'
}

const LINE_END = 10
const HEAD_END = '\r\n\r\n'
const REQUEST_LINE = /^([A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}) ([!-~\x80-\xff]+) HTTP\/\d/
const METHOD = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64} /

/** What the client is told of an error of the parser. */
export function refusalOf({ code = '', rawPacket, bytesParsed }: ParserError): Refusal {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      // Without a line end in it, it was still the request line that grew.
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

/** The request that an error came in, as far as the packet shows it that the parser was reading. */
export function requestLineOf({ rawPacket, bytesParsed = 0 }: ParserError): RequestLine {
  const packet = rawPacket?.toString('latin1') ?? ''
  // Behind what has come before it in the same packet.
  const before = packet.lastIndexOf(HEAD_END, bytesParsed - 1)
  const [, method = '', target = ''] = REQUEST_LINE.exec(before === -1 ? packet : packet.slice(before + 4)) ?? []
  return { method, target, host: '' }
}
