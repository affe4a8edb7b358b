import { request } from 'undici'
import type { WebStanding } from '../model/rollout/rollout.ts'
import type { WebMetricSpec } from '../model/rollout/rollout-spec.ts'

const MEASURE_MS = 10_000
const MAX_ANSWER_BYTES = 256 * 1024

/** Measures a metric once. Never throws. */
export async function measure(
  { url, jsonPath }: WebMetricSpec,
  stopped: AbortSignal,
): Promise<{ readonly value: number } | { readonly problem: string }> {
  try {
    const signal = AbortSignal.any([stopped, AbortSignal.timeout(MEASURE_MS)])
    const { statusCode, body } = await request(url, {
      signal,
      headers: { accept: 'application/json', 'user-agent': 'Cutover' },
    })
    const text = await readText(body)
    if (statusCode < 200 || statusCode > 299) return { problem: `it answers ${statusCode}` }
    if (text === null) return { problem: 'its answer is too long' }
    const value = valueAt(JSON.parse(text), jsonPath)
    return value === null ? { problem: `its answer has no number at ${jsonPath}` } : { value }
  } catch (error) {
    const { name, code } = error as Error & { code?: string }
    if (error instanceof SyntaxError) return { problem: 'its answer is no JSON' }
    return {
      problem:
        name === 'TimeoutError' ? `no answer within ${MEASURE_MS / 1_000} s` : `it cannot be reached (${code ?? name})`,
    }
  }
}

async function readText(body: AsyncIterable<Buffer>): Promise<string | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) return null
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The number at a path such as `$.data[0].rate`, also if it is written as text; null = there is none. */
export function valueAt(document: unknown, jsonPath: string): number | null {
  let at = document
  for (const [, name, index] of jsonPath.matchAll(/\.([\w-]+)|\[(\d+)\]/g)) {
    if (typeof at !== 'object' || at === null) return null
    const key = name ?? (index as string)
    at = Object.hasOwn(at, key) ? (at as Record<string, unknown>)[key] : undefined
  }
  const value = typeof at === 'string' && at.trim() !== '' ? Number(at) : at
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

/** The standing of a metric after a measurement. `nowMs`: the store's clock. */
export function measured(
  before: WebStanding,
  result: { readonly value: number } | { readonly problem: string },
  { min, max, intervalMs }: WebMetricSpec,
  nowMs: number,
): WebStanding {
  const nextAtMs = nowMs + intervalMs
  if ('problem' in result) return { ...before, problem: result.problem, nextAtMs }
  const { value } = result
  const isOut = (min !== null && value < min) || (max !== null && value > max)
  return { value, problem: null, failuresInRow: isOut ? before.failuresInRow + 1 : 0, nextAtMs }
}
