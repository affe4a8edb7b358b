import http from 'node:http'
import { connect } from 'node:http2'
import { isIPv6 } from 'node:net'
import type { Readable } from 'node:stream'
import type { HealthSpec } from '../model/spec.ts'
import type { Endpoint } from '../net/endpoint.ts'

/** The response to a probe. */
export interface ProbeResponse {
  readonly status: number
  /** Value of a field, by lower-case name; undefined = there is none. */
  header(name: string): string | undefined
  readonly body: Readable
}

/** Is told what becomes of the request of a probe. */
export interface ProbeListener {
  onResponse(response: ProbeResponse): void
  onError(error: unknown): void
  /** The connection has closed. */
  onClose(): void
}

/**
 * Sends the request of a probe, over a connection of its own. Returns a function that ends it. Throws if the path or a header
 * is invalid.
 */
export function sendProbe(
  endpoint: Endpoint,
  spec: HealthSpec,
  signal: AbortSignal | undefined,
  listener: ProbeListener,
): () => void {
  return endpoint.isHttp2 ? sendHttp2(endpoint, spec, signal, listener) : sendHttp1(endpoint, spec, signal, listener)
}

function sendHttp1(
  endpoint: Endpoint,
  spec: HealthSpec,
  signal: AbortSignal | undefined,
  listener: ProbeListener,
): () => void {
  const port = portOf(endpoint, spec)
  const request = http.request({
    path: spec.path,
    headers: {
      'user-agent': AGENT,
      host: hostField(endpoint, port),
      ...spec.headers,
      ...(spec.host === '' ? {} : { host: spec.host }),
    },
    createConnection: () => endpoint.connect(null, port),
    ...(signal === undefined ? {} : { signal }),
  })
  request.on('error', (error) => listener.onError(error))
  // A 101 response emits neither `response` nor `error`.
  request.on('close', () => listener.onClose())
  request.on('response', (response) => {
    const { statusCode: status = 0, headers } = response
    listener.onResponse({ status, body: response, header: (name) => textOf(headers[name]) })
  })
  request.end()
  return () => request.destroy()
}

function sendHttp2(
  endpoint: Endpoint,
  spec: HealthSpec,
  signal: AbortSignal | undefined,
  listener: ProbeListener,
): () => void {
  const port = portOf(endpoint, spec)
  const named = Object.fromEntries(Object.entries(spec.headers).map(([name, value]) => [name.toLowerCase(), value]))
  const { host = hostField(endpoint, port), ...headers } = named
  const session = connect(`${endpoint.isSecure ? 'https' : 'http'}://${hostField(endpoint, port)}`, {
    createConnection: () => endpoint.connect(null, port),
  })
  // Not from within a callback of the session: it might free the stream twice, and end the process.
  const end = (): void => void setImmediate(() => session.destroy())
  session.on('error', (error) => listener.onError(error))
  session.on('close', () => {
    signal?.removeEventListener('abort', end)
    listener.onClose()
  })
  signal?.addEventListener('abort', end, { once: true })
  try {
    const stream = session.request({
      ':path': spec.path,
      ':authority': spec.host === '' ? host : spec.host,
      'user-agent': AGENT,
      ...headers,
    })
    // A stream that was not sent yet says why in the cause.
    stream.on('error', (error) => listener.onError(error.cause ?? error))
    stream.on('close', () => listener.onClose())
    stream.on('response', (fields) => {
      const status = Number(fields[':status'])
      listener.onResponse({ status, body: stream, header: (name) => textOf(fields[name]) })
    })
    stream.end()
  } catch (error) {
    end()
    throw error
  }
  return end
}

const AGENT = 'Cutover-Health'

function portOf(endpoint: Endpoint, spec: HealthSpec): number {
  return spec.port === 0 ? endpoint.port : spec.port
}

/** The server's address as the value of a Host field. */
function hostField({ hostname, isSecure }: Endpoint, port: number): string {
  const host = isIPv6(hostname) ? `[${hostname}]` : hostname
  return port === (isSecure ? 443 : 80) ? host : `${host}:${port}`
}

function textOf(value: string | string[] | undefined): string | undefined {
  return value === undefined ? undefined : String(value)
}
