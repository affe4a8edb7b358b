import { request } from 'undici'
import { probe } from '../health/probe.ts'
import type { Rollout } from '../model/rollout/rollout.ts'
import { briefly } from '../model/rollout/rollout-events.ts'
import type { Step } from '../model/rollout/rollout-spec.ts'
import { addressIn } from '../model/server-address.ts'
import type { Server } from '../model/servers.ts'
import type { HealthSpec } from '../model/spec.ts'
import { Endpoint } from '../net/endpoint.ts'

export interface CallResult {
  readonly ok: boolean
  /** How it went, for people, without addresses. */
  readonly detail: string
}

const GATE_TIMEOUT_MS = 5_000

/**
 * Calls a hook once. A repeated call for the same step and attempt, as by another leader, has the same Idempotency-Key.
 * Never throws.
 */
export async function callHook(
  rollout: Rollout,
  { url, timeoutMs }: Extract<Step, { kind: 'hook' }>,
  stopped: AbortSignal,
): Promise<CallResult> {
  const { id, service, step } = rollout
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      signal: AbortSignal.any([stopped, AbortSignal.timeout(timeoutMs)]),
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Cutover',
        'idempotency-key': `${service}-${id}-${step.index + 1}-${step.attempt}`,
      },
      body: JSON.stringify({ service, ...briefly(rollout) }),
    })
    await body.dump({ limit: 16_384 })
    return { ok: statusCode >= 200 && statusCode <= 299, detail: `it answers ${statusCode}` }
  } catch (error) {
    const { name, code } = error as Error & { code?: string }
    const detail =
      name === 'TimeoutError' ? `no answer within ${timeoutMs} ms` : `it cannot be reached (${code ?? name})`
    return { ok: false, detail }
  }
}

/** Asks one server for the path of a health gate. Never throws. */
export async function askServer(
  server: Server,
  { path }: Extract<Step, { kind: 'healthGate' }>,
  stopped: AbortSignal,
): Promise<CallResult> {
  const spec: HealthSpec = { ...GATE, path }
  const result = await probe(new Endpoint(addressIn(server)), spec, stopped)
  const how = result.status === null ? (result.error ?? 'no answer') : `status ${result.status}`
  return { ok: result.ok, detail: `${server.name}: ${how}` }
}

const GATE: HealthSpec = {
  path: '/',
  intervalMs: GATE_TIMEOUT_MS,
  timeoutMs: GATE_TIMEOUT_MS,
  rise: 1,
  fall: 1,
  expect: [[200, 299]],
  host: '',
  port: 0,
  headers: {},
  body: '',
}
