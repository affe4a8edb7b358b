import http2 from 'node:http2'
import type { HealthSpec } from '../model/spec.ts'
import type { Attempt } from './probe-result.ts'
import type { ProbedServer } from './probed-server.ts'

const PATH = '/grpc.health.v1.Health/Check'
/** Flag and length before each message. */
const FRAME_BYTES = 5
const MAX_MESSAGE_BYTES = 1_024
/** Field 1 with a length, and field 1 with a number, in protobuf. */
const NAME_FIELD = 0x0a
const STATUS_FIELD = 0x08
const SERVING = 1
/** `HealthCheckResponse.ServingStatus`. */
const SERVING_STATUS = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const
/** Names of the status codes of gRPC. */
const CODES = [
  ...['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS'],
  ...['PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED'],
  ...['INTERNAL', 'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'],
] as const

type GrpcSpec = Pick<HealthSpec, 'host' | 'headers' | 'timeoutMs'> & { readonly service: string }

/** Probes by the health service of gRPC (grpc.health.v1.Health/Check): a server is up if it answers SERVING. */
export function beginGrpcProbe(
  server: ProbedServer,
  { service, host, headers, timeoutMs }: GrpcSpec,
  attempt: Attempt,
): () => void {
  const authority = host === '' ? server.hostField : host
  const scheme = server.isSecure ? 'https' : 'http'
  const session = http2.connect(`${scheme}://${server.hostField}`, { createConnection: () => server.open(['h2']) })
  session.on('error', (error) => attempt.fail(error))
  session.once('close', () => attempt.end('connection closed'))
  session.once('connect', (_session, socket) => {
    if ('alpnProtocol' in socket && socket.alpnProtocol !== 'h2')
      attempt.end('the server does not offer HTTP/2 (ALPN h2)')
  })
  const call = session.request({
    ...Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    ':method': 'POST',
    ':scheme': scheme,
    ':authority': authority,
    ':path': PATH,
    'user-agent': 'Cutover-Health',
    'content-type': 'application/grpc',
    'grpc-timeout': `${timeoutMs}m`,
    te: 'trailers',
  })
  let message = Buffer.alloc(0)
  let code: unknown
  let text: unknown
  const take = (fields: http2.IncomingHttpHeaders): void => {
    code ??= fields['grpc-status']
    text ??= fields['grpc-message']
  }
  // A call whose connection fails is cancelled, for the reason that is its cause.
  call.on('error', (error) => attempt.fail(error.cause ?? error))
  call.on('response', (fields) => {
    const status = fields[':status'] ?? 0
    attempt.saw({ status })
    take(fields)
    if (status !== 200) attempt.end(`status ${status}, expected the 200 of gRPC`)
  })
  call.on('trailers', take)
  call.on('data', (chunk: Buffer) => {
    message = Buffer.concat([message, chunk])
    if (message.length > MAX_MESSAGE_BYTES) attempt.end('malformed response')
  })
  call.on('end', () => attempt.end(problemOf(code, text, message)))
  call.end(framed(requestFor(service)))
  // Not within a callback of the session: node:http2 may then end the process (nodejs/node#38964).
  return () => void setImmediate(() => session.destroy())
}

/** `HealthCheckRequest`: the name of the service in field 1, which is left out if it is empty. */
function requestFor(service: string): Buffer {
  const name = Buffer.from(service)
  return name.length === 0 ? name : Buffer.concat([Buffer.from([NAME_FIELD, ...varint(name.length)]), name])
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >> 7)]
}

/** A message that is not compressed, with its length. */
function framed(message: Buffer): Buffer {
  const head = Buffer.alloc(FRAME_BYTES)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

/** Why an answer does not say SERVING; null = it does. */
function problemOf(code: unknown, text: unknown, message: Buffer): string | null {
  if (code === undefined) return 'the answer has no grpc-status'
  const name = CODES[Number(code)] ?? `status ${String(code)}`
  if (name !== 'OK') return `gRPC ${name}${typeof text === 'string' && text !== '' ? `: ${decoded(text)}` : ''}`
  const status = servingStatus(message)
  if (status === SERVING) return null
  return status === null ? 'malformed response' : `${SERVING_STATUS[status] ?? status}, expected SERVING`
}

/** `HealthCheckResponse`: the status in field 1; a missing one is 0. null = it is another message. */
function servingStatus(frame: Buffer): number | null {
  const isWhole = frame.length >= FRAME_BYTES && frame[0] === 0 && frame.readUInt32BE(1) === frame.length - FRAME_BYTES
  if (!isWhole) return null
  if (frame.length === FRAME_BYTES) return 0
  return frame[FRAME_BYTES] === STATUS_FIELD ? (frame[FRAME_BYTES + 1] ?? null) : null
}

/** `grpc-message` is percent-encoded. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, 100)
  } catch {
    return text.slice(0, 100)
  }
}
