import { setTimeout as delay } from 'node:timers/promises'
import type { HistoryEntry } from '../../src/model/state.ts'
import type { Standing } from './judge.ts'
import type { Seat } from './seat.ts'

/** What differs from instance to instance, and from moment to moment. */
const BY_NATURE = new Set(['health', 'drained', 'inFlight', 'inFlightByInstance', 'up', 'lastProbe'])
const QUIET_MS = 15_000

/** Resolves once all instances have the store and the same revision; with how long that took, or null when it never was. */
export async function untilQuiet(seats: readonly Seat[]): Promise<number | null> {
  const since = performance.now()
  while (performance.now() - since < QUIET_MS) {
    const revisions = await Promise.all(seats.map(currentRevision))
    if (revisions[0] !== null && revisions.every((revision) => revision === revisions[0])) {
      return performance.now() - since
    }
    await delay(50)
  }
  return null
}

/** What an instance says of everything; `services`: every one that there ever was. */
export async function standingOf({ name, cutover }: Seat, services: readonly string[]): Promise<Standing> {
  const { body } = await cutover.api('GET', '/api/services')
  const histories: Record<string, readonly HistoryEntry[]> = {}
  for (const service of services) {
    const answer = await cutover.api('GET', `/api/services/${service}/history?limit=1000`)
    // One that never was has none.
    histories[service] = answer.status === 200 ? answer.body.history : []
  }
  const present: { name: string }[] = body.services
  const inOrder = [...present].sort((a, b) => a.name.localeCompare(b.name))
  return { instance: name, revision: body.revision, services: lasting(inOrder), histories }
}

/** Without what differs by nature. */
function lasting(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(lasting)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(([key]) => !BY_NATURE.has(key))
  return Object.fromEntries(entries.map(([key, each]) => [key, lasting(each)]))
}

async function currentRevision({ cutover }: Seat): Promise<number | null> {
  try {
    const { status, body } = await cutover.api('GET', '/api/services')
    return status === 200 && body.stale !== true ? body.revision : null
  } catch {
    // It may be between two control processes.
    return null
  }
}
