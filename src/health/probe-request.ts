import http, { type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:http2'
import type { Readable } from 'node:stream'
import type { HealthSpec } from '../model/spec.ts'
import type { Attempt } from './probe-result.ts'
import type { ProbedServer } from './probed-server.ts'

/** The response to a probe. */
export interface ProbeResponse {
  readonly status: number
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders
  readonly body: Readable
}

type Sent = Pick<HealthSpec, 'path' | 'host' | 'headers'>

/**
 * Sends the GET of a probe, over a connection of its own, in the server's version of HTTP. Returns a function that ends it.
 * Throws if the path or a header is invalid.
 */
export function sendProbe(
  server: ProbedServer,
  spec: Sent,
  attempt: Attempt,
  onResponse: (response: ProbeResponse) => void,
): () => void {
  return server.isHttp2 ? sendHttp2(server, spec, attempt, onResponse) : sendHttp1(server, spec, attempt, onResponse)
}

const AGENT = 'Cutover-Health'

function sendHttp1(
  server: ProbedServer,
  { path, host, headers: more }: Sent,
  attempt: Attempt,
  onResponse: (response: ProbeResponse) => void,
): () => void {
  const request = http.request({
    path,
    headers: { 'user-agent': AGENT, host: server.hostField, ...more, ...(host === '' ? {} : { host }) },
    createConnection: () => server.open(),
  })
  request.on('error', (error) => attempt.fail(error))
  // A 101 response emits neither `response` nor `error`.
  request.on('close', () => attempt.end('connection closed'))
  request.on('response', (response) => {
    const { statusCode: status = 0, headers } = response
    onResponse({ status, headers, body: response })
  })
  request.end()
  return () => request.destroy()
}

function sendHttp2(
  server: ProbedServer,
  { path, host: wanted, headers: more }: Sent,
  attempt: Attempt,
  onResponse: (response: ProbeResponse) => void,
): () => void {
  const named = Object.fromEntries(Object.entries(more).map(([name, value]) => [name.toLowerCase(), value]))
  const { host = server.hostField, ...headers } = named
  const session = connect(`${server.isSecure ? 'https' : 'http'}://${server.hostField}`, {
    createConnection: () => server.open(),
  })
  session.on('error', (error) => attempt.fail(error))
  session.on('close', () => attempt.end('connection closed'))
  try {
    const stream = session.request({
      ':path': path,
      ':authority': wanted === '' ? host : wanted,
      'user-agent': AGENT,
      ...headers,
    })
    // A stream that was not sent yet says why in the cause.
    stream.on('error', (error) => attempt.fail(error.cause ?? error))
    stream.on('close', () => attempt.end('connection closed'))
    stream.on('response', (fields) => onResponse({ status: Number(fields[':status']), headers: fields, body: stream }))
    stream.end()
  } catch (error) {
    session.destroy()
    throw error
  }
  // Not within a callback of the session: node:http2 may then end the process (nodejs/node#38964).
  return () => void setImmediate(() => session.destroy())
}
