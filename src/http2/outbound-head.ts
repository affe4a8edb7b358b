import type { OutboundRequest } from '../http1/outbound-call.ts'
import { appendFields } from './raw-fields.ts'

/** The head of a request to a server. */
export interface OutboundHead {
  /** Names and values, alternating. */
  readonly raw: string[]
  /** Whether trailers may follow the body. */
  readonly mayHaveTrailers: boolean
  /** Whether it asks to open a WebSocket. */
  readonly isWebSocket: boolean
}

const GRPC = 'application/grpc'

/**
 * Builds the head of a request. An upgrade to a WebSocket becomes an extended CONNECT if the server takes it
 * (`opensWebSockets`); any other upgrade is left out, as servers may do (RFC 9110 §7.8).
 */
export function outboundHead(
  { method, path, lines, body, upgrade, takesTrailers }: OutboundRequest,
  isSecure: boolean,
  opensWebSockets: boolean,
): OutboundHead {
  const fields: string[] = []
  appendFields(fields, lines)
  let authority = ''
  let isGrpc = false
  let announcesTrailers = false
  const isWebSocket = opensWebSockets && upgrade.toLowerCase() === 'websocket'
  const raw = [':method', isWebSocket ? 'CONNECT' : method, ':scheme', isSecure ? 'https' : 'http']
  raw.push(':path', path, ':authority', '')
  if (isWebSocket) raw.push(':protocol', 'websocket')
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    if (name === 'host') {
      authority = value
      continue
    }
    if (isWebSocket && name === 'sec-websocket-key') continue
    if (name === 'content-type') isGrpc = value.startsWith(GRPC)
    else if (name === 'trailer') announcesTrailers = true
    raw.push(name, value)
  }
  raw[7] = authority
  if (takesTrailers) raw.push('te', 'trailers')
  // A gRPC client sends none. To wait for them costs a turn of the event loop and a frame.
  const mayHaveTrailers = announcesTrailers || (body !== 'length' && !isGrpc)
  return { raw, mayHaveTrailers, isWebSocket }
}
