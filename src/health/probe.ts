import { TLSSocket } from 'node:tls'
import type { HealthSpec } from '../model/spec.ts'
import type { Endpoint } from '../net/endpoint.ts'
import { localFailure } from '../net/local-failure.ts'
import { beginConnectionProbe } from './connection-probe.ts'
import { beginGrpcProbe } from './grpc-probe.ts'
import { beginHttpProbe } from './http-probe.ts'
import { type Attempt, describe, type ProbeResult, type Seen } from './probe-result.ts'

/**
 * Probes a server once, over a connection of its own: by an HTTP request, or as `spec.probe` says. `spec.timeoutMs` covers
 * everything from connecting to the last byte that has to be read. Never rejects: failures are in the result.
 */
export function probe(endpoint: Endpoint, spec: HealthSpec, signal?: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    let isOver = false
    let seen: Seen = {}
    let stop: () => void = () => undefined
    // The first call decides: ending the connection makes it emit errors of its own, which are ignored.
    const end = (error: string | null, isLocal = false): void => {
      if (isOver) return
      isOver = true
      clearTimeout(deadline)
      signal?.removeEventListener('abort', abort)
      const ms = Math.round((performance.now() - startedAt) * 10) / 10
      resolve({ ok: error === null, status: null, ms, error, isLocal, ...seen })
      stop()
    }
    const abort = (): void => end('aborted')
    const attempt: Attempt = {
      saw: (more) => {
        if (!isOver) seen = { ...seen, ...more }
      },
      end: (error) => end(error),
      fail: (error) => {
        const local = seen.status === undefined ? localFailure(error) : null
        if (local === null) end(describe(error))
        else end(`cannot probe: ${local}`, true)
      },
    }
    const deadline = setTimeout(() => end('timeout'), spec.timeoutMs)
    if (signal?.aborted === true) {
      abort()
      return
    }
    signal?.addEventListener('abort', abort)
    try {
      stop = begin(endpoint, spec, attempt)
      if (isOver) stop()
    } catch (error) {
      attempt.fail(error)
    }
  })
}

function begin(endpoint: Endpoint, spec: HealthSpec, attempt: Attempt): () => void {
  const port = spec.port === 0 ? endpoint.port : spec.port
  const open = (alpn?: readonly string[]) => {
    const socket = endpoint.connect({ port, ...(alpn && { alpn }) })
    if (socket instanceof TLSSocket) socket.once('secureConnect', () => attempt.saw(certificateOf(socket)))
    return socket
  }
  const server = {
    open,
    readyEvent: endpoint.readyEvent,
    hostField: endpoint.hostField(port),
    isSecure: endpoint.isSecure,
    isHttp2: endpoint.isHttp2,
  }
  const { probe: kind } = spec
  if (kind === undefined) return beginHttpProbe(server, spec, attempt)
  return kind === 'tcp' || kind === 'tls'
    ? beginConnectionProbe(server, kind, attempt)
    : beginGrpcProbe(server, { ...spec, service: kind.grpc }, attempt)
}

/** When the certificate of a server expires. */
function certificateOf(socket: TLSSocket): Seen {
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? {} : { certificateExpiresAt: certificate.validToDate.toISOString() }
}
