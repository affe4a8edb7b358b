import { AsyncLocalStorage } from 'node:async_hooks'
import type * as Acme from 'acme-client'
import { Agent, request } from 'undici'
import { AcmeFailure } from './acme-failure.ts'

/** Max time for an answer, ms. */
const CALL_MS = 30_000
const CONNECT_MS = 10_000
/** Bytes of an answer that are read; chains of certificates have up to some 20 KB. */
const MAX_ANSWER_BYTES = 1024 * 1024
/** Longest pause that a server may ask for: Let's Encrypt counts by the week. */
const MAX_RETRY_AFTER_MS = 7 * 86_400_000

/** The last answer of a server. */
export interface AcmeAnswer {
  readonly status: number
  /** JSON, or else text. */
  readonly body: unknown
  readonly retryAfterMs: number
}

/**
 * The requests of one session with an ACME server. acme-client sends all of its requests through one instance of axios, so
 * that the session finds its own here: each runs its calls within `run`.
 */
export class AcmeTransport {
  /** null = there was no answer to the last request. */
  last: AcmeAnswer | null = null
  private readonly agent: Agent
  private readonly ended: AbortSignal

  /** `ca`: authorities to trust, in PEM; null = the default ones. `ended`: ends the requests under way. */
  constructor(ca: string | null, ended: AbortSignal) {
    this.agent = new Agent({ connect: { timeout: CONNECT_MS, ...(ca === null ? {} : { ca }) } })
    this.ended = ended
  }

  run<T>(call: () => Promise<T>): Promise<T> {
    return CURRENT.run(this, call)
  }

  close(): Promise<void> {
    return this.agent.destroy()
  }

  /** Sends a request. Throws AcmeFailure if there is no answer. */
  async send(url: string, method: string, headers: Record<string, string>, body: string | null) {
    this.last = null
    const signal = AbortSignal.any([this.ended, AbortSignal.timeout(CALL_MS)])
    try {
      const answer = await request(url, {
        method: method.toUpperCase() as 'GET',
        dispatcher: this.agent,
        signal,
        headers: { ...headers, 'user-agent': 'Cutover (acme-client)' },
        body,
      })
      const text = await textOf(answer.body)
      const retryAfterMs = retryAfterOf(answer.headers['retry-after'])
      this.last = { status: answer.statusCode, body: jsonOr(text), retryAfterMs }
      return { status: answer.statusCode, headers: answer.headers, text }
    } catch (error) {
      this.ended.throwIfAborted()
      throw new AcmeFailure('unreachable', whyUnreachable(url, error as Error & { code?: string }))
    }
  }
}

const CURRENT = new AsyncLocalStorage<AcmeTransport>()

let library: Promise<typeof Acme> | null = null

/** Loads acme-client, whose requests go through the transport that is current then. It takes some 100 ms, and memory. */
export function loadAcmeClient(): Promise<typeof Acme> {
  library ??= load()
  return library
}

async function load(): Promise<typeof Acme> {
  const imported = await import('acme-client')
  const acme = 'default' in imported ? (imported.default as typeof Acme) : imported
  acme.axios.defaults.adapter = async (config) => {
    const transport = CURRENT.getStore()
    if (transport === undefined) throw new Error('a request to an ACME server outside of a session')
    const headers = config.headers.toJSON(true) as Record<string, string>
    const body = typeof config.data === 'string' ? config.data : null
    const answer = await transport.send(config.url ?? '', config.method ?? 'get', headers, body)
    return { data: answer.text, status: answer.status, statusText: '', headers: { ...answer.headers } as never, config }
  }
  return acme
}

async function textOf(body: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of body) {
    length += part.length
    if (length > MAX_ANSWER_BYTES) throw new Error(`its answer has more than ${MAX_ANSWER_BYTES} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString()
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** Seconds, or a date (RFC 9110 §10.2.3). */
function retryAfterOf(header: string | string[] | undefined): number {
  const text = String(header ?? '')
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
  return ms > 0 ? Math.min(ms, MAX_RETRY_AFTER_MS) : 0
}

function whyUnreachable(url: string, { name, code, message }: Error & { code?: string }): string {
  const { host } = new URL(url)
  if (name === 'TimeoutError') return `${host} has not answered within ${CALL_MS / 1_000} s`
  return `${host} cannot be reached: ${code ?? message}`
}
