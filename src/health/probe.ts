import type { Readable } from 'node:stream'
import type { HealthSpec } from '../model/spec.ts'
import type { Endpoint } from '../net/endpoint.ts'
import { localFailure } from '../net/local-failure.ts'
import { type ProbeResponse, sendProbe } from './probe-request.ts'

export interface ProbeResult {
  readonly ok: boolean
  /** Status code of the response; null = no response. */
  readonly status: number | null
  /** From the start of the probe to its verdict, in milliseconds with one decimal. */
  readonly ms: number
  /** Reason of the failure in a few stable words, for operators; null = passed. */
  readonly error: string | null
  /** The probe failed because this machine lacks a resource; it says nothing about the server. */
  readonly isLocal: boolean
  /** The version that the server reports of itself; absent = none. */
  readonly version?: string
}

const MAX_BODY_BYTES = 64 * 1024

const ERROR_TEXTS: Readonly<Record<string, string>> = {
  ABORT_ERR: 'aborted',
  EAI_AGAIN: 'name lookup failed',
  ECONNREFUSED: 'connection refused',
  EHOSTUNREACH: 'host unreachable',
  ENETUNREACH: 'network unreachable',
  ENOTFOUND: 'host name not found',
  EPIPE: 'connection reset',
  EPROTO: 'TLS handshake failed',
  ETIMEDOUT: 'timeout',
  ERR_HTTP2_ERROR: 'malformed response',
  HPE_HEADER_OVERFLOW: 'response headers too large',
}

/**
 * Probes a server once: one GET over a connection of its own; redirects are not followed. The probe passes if the
 * status is expected and, where `spec.body` is set, the first 64 KiB of the body contain it. `spec.timeoutMs` covers
 * everything from connecting to the last byte that has to be read. Never rejects: failures are in the result.
 */
export function probe(endpoint: Endpoint, spec: HealthSpec, signal?: AbortSignal): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const startedAt = performance.now()
    let end: (() => void) | undefined
    let status: number | null = null
    let version: string | undefined
    // The first call decides: destroying the request makes it emit errors of its own, which are ignored.
    const finish = (error: string | null, isLocal = false): void => {
      clearTimeout(deadline)
      const ms = Math.round((performance.now() - startedAt) * 10) / 10
      resolve({ ok: error === null, status, ms, error, isLocal, ...(version !== undefined && { version }) })
      end?.()
    }
    const fail = (error: unknown): void => {
      const local = status === null ? localFailure(error) : null
      if (local === null) finish(describe(error))
      else finish(`cannot probe: ${local}`, true)
    }
    const deadline = setTimeout(finish, spec.timeoutMs, 'timeout')
    const onResponse = (response: ProbeResponse): void => {
      const code = response.status
      status = code
      if (spec.versionHeader !== undefined) version = response.header(spec.versionHeader)
      if (!spec.expect.some(([from, to]) => from <= code && code <= to)) finish(`status ${code}`)
      else if (spec.body === '') finish(null)
      else search(response.body, spec.body, finish)
    }
    try {
      end = sendProbe(endpoint, spec, signal, {
        onResponse,
        onError: fail,
        onClose: () => finish('connection closed'),
      })
    } catch (error) {
      fail(error)
    }
  })
}

function search(body: Readable, text: string, finish: (error: string | null) => void): void {
  const wanted = Buffer.from(text)
  const missing = `body does not contain ${JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)}`
  let left = MAX_BODY_BYTES
  let tail = Buffer.alloc(0)
  body.on('error', (error) => finish(describe(error)))
  body.on('end', () => finish(missing))
  body.on('data', (chunk: Buffer) => {
    const part = chunk.subarray(0, left)
    left -= part.length
    const window = Buffer.concat([tail, part])
    if (window.includes(wanted)) finish(null)
    else if (left === 0) finish(missing)
    // Keep what may be the beginning of a match that the next chunk completes.
    else tail = window.subarray(Math.max(0, window.length - wanted.length + 1))
  })
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'failed'
  const { code, syscall }: NodeJS.ErrnoException = error
  // ERR_TLS_FILES: the message names the file of the server's TLS settings and its problem.
  if (code === undefined || code === 'ERR_TLS_FILES') return error.message
  // Node gives its own "socket hang up" the same code, but only a real reset comes from a system call.
  if (code === 'ECONNRESET') return syscall === undefined ? 'connection closed' : 'connection reset'
  const text = ERROR_TEXTS[code]
  if (text !== undefined) return text
  if (code.startsWith('HPE_')) return 'malformed response'
  return code.startsWith('ERR_SSL_') ? 'TLS handshake failed' : code
}
