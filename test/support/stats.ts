import { setTimeout as delay } from 'node:timers/promises'
import { expect } from 'vitest'
import type { ServiceStats } from '../../src/telemetry/stats.ts'
import type { Cutover } from './cutover.ts'

/** The answer of GET /api/stats. */
export interface StatsView {
  readonly from: string
  readonly at: string
  readonly services: readonly ServiceStats[]
}

export async function stats(cutover: Cutover, query = ''): Promise<StatsView> {
  const { status, body } = await cutover.api('GET', `/api/stats?${query}`)
  expect([status, body.detail]).toEqual([200, undefined])
  return body
}

/** The figures, once they are about everything until now. */
export async function statsUntilNow(cutover: Cutover, query = 'window=60s'): Promise<StatsView> {
  const now = Date.now()
  for (;;) {
    const found = await stats(cutover, query)
    if (Date.parse(found.at) > now) return found
    await delay(50)
  }
}

/** The figures of a service. */
export function figuresOf({ services }: StatsView, service = 'shop'): ServiceStats {
  const found = services.find(({ name }) => name === service)
  if (found === undefined) throw new Error(`there are no figures of ${service}`)
  return found
}

/**
 * The number of requests in windows of ten seconds, one after the other, that end at `end` and reach back to the first
 * count.
 */
export async function requestsByWindow(cutover: Cutover, end: string, query = ''): Promise<number[]> {
  const counts: number[] = []
  for (let at = Date.parse(end); ; at -= 10_000) {
    const window = await stats(cutover, `window=10s&at=${new Date(at).toISOString()}${query}`)
    counts.push(figuresOf(window).requests)
    if (Date.parse(window.at) - Date.parse(window.from) < 10_000) return counts.reverse()
  }
}
