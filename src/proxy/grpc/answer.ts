import type { OwnAnswer } from '../own-answer.ts'
import { grpcStatusFor } from './status.ts'

/** Fields of a response that do not fit one without a body. */
const OF_BODY = /^content-(?:type|length|encoding):/i

/** A response of this proxy, as a client of gRPC understands it: its status and text in fields, and nothing else. */
export interface GrpcAnswer {
  readonly answer: OwnAnswer
  readonly status: number
}

/** Converts a response of this proxy for a client of gRPC. */
export function grpcAnswer({ status: httpStatus, code, body, lines }: OwnAnswer): GrpcAnswer {
  const status = grpcStatusFor(httpStatus, code)
  const kept = lines.split(/(?<=\r\n)/).filter((line) => !OF_BODY.test(line))
  const message = encoded(
    String(body)
      .trim()
      .replace(/^\d{3} /, ''),
  )
  const own = `content-type: application/grpc\r\ngrpc-status: ${status}\r\n`
  const text = message === '' ? '' : `grpc-message: ${message}\r\n`
  return { answer: { status: 200, code, body: '', lines: own + text + kept.join('') }, status }
}

/** Percent-encodes what may not stand in `grpc-message`: all but printable ASCII, and the percent sign. */
function encoded(text: string): string {
  return text.replace(/[^\x20-\x24\x26-\x7e]+/g, (part) => encodeURIComponent(part.toWellFormed()))
}
