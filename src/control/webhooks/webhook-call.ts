import { type Dispatcher, request } from 'undici'
import type { WebhookSettings } from '../../config/config.ts'
import { signature } from './signature.ts'

/** Max time for a call, ms. */
const CALL_MS = 10_000
/** Bytes of an answer that are read. */
const ANSWER_BYTES = 16 * 1024
/** Longest pause that a receiver may ask for, ms. */
const MAX_PAUSE_MS = 60_000

export interface WebhookMessage {
  /** The same in each call for it. */
  readonly id: string
  readonly type: string
  /** JSON. */
  readonly body: string
}

/**
 * `refused`: the receiver takes this message at no time. `failed`: it may take it later; `pauseMs`: when it asks to be
 * called again, null = it does not say. `problem` is for people, without addresses.
 */
export type CallOutcome =
  | { readonly kind: 'delivered' }
  | { readonly kind: 'refused'; readonly problem: string }
  | { readonly kind: 'failed'; readonly problem: string; readonly pauseMs: number | null }

/** Sends a message once, by Standard Webhooks; follows no redirect. Never throws. */
export async function callWebhook(
  { url, secret }: WebhookSettings,
  { id, type, body }: WebhookMessage,
  dispatcher: Dispatcher,
  stopped: AbortSignal,
): Promise<CallOutcome> {
  const timestamp = Math.floor(Date.now() / 1_000)
  try {
    const {
      statusCode,
      headers,
      body: answer,
    } = await request(url, {
      method: 'POST',
      dispatcher,
      signal: AbortSignal.any([stopped, AbortSignal.timeout(CALL_MS)]),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Cutover',
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signature(secret, id, timestamp, body),
        'webhook-type': type,
      },
      body,
    })
    await answer.dump({ limit: ANSWER_BYTES })
    return outcomeOf(statusCode, headers['retry-after'])
  } catch (error) {
    return { kind: 'failed', problem: problemOf(error as Error & { code?: string }), pauseMs: null }
  }
}

function outcomeOf(status: number, retryAfter: string | string[] | undefined): CallOutcome {
  if (status >= 200 && status < 300) return { kind: 'delivered' }
  const problem = `it answers ${status}`
  if (status >= 400 && status < 500 && status !== 408 && status !== 429) return { kind: 'refused', problem }
  const seconds = Number(retryAfter)
  const pauseMs = retryAfter === undefined || !(seconds >= 0) ? null : Math.min(seconds * 1_000, MAX_PAUSE_MS)
  return { kind: 'failed', problem, pauseMs }
}

/** The message of an error may have an address in it. */
function problemOf({ name, code }: Error & { readonly code?: string }): string {
  return name === 'TimeoutError' ? `no answer within ${CALL_MS / 1_000} s` : `it cannot be reached (${code ?? name})`
}
