import { setTimeout as delay } from 'node:timers/promises'
import type { Cutover } from '../support/cutover.ts'
import { descendants, openDescriptors } from '../support/processes.ts'
import type { Vitals } from './figures.ts'

const POLL_MS = 100
/** The count of file descriptors has come to rest when it has not fallen for so long. */
const REST_MS = 1_000

/** What the Cutover process takes right now. */
export async function vitals(cutover: Cutover): Promise<Vitals> {
  const { status, body } = await cutover.api('GET', '/metrics')
  if (status !== 200) throw new Error(`/metrics answered ${status}`)
  const metrics = new Map<string, number>()
  for (const line of String(body).split('\n')) {
    const [, name, labels = '', value] = /^(\w+)(\{.*\})? (\S+)/.exec(line) ?? []
    // The connection that this is asked over is one to the admin API.
    if (name !== undefined && !labels.includes('listener="admin"') && !labels.includes('listener="preview"'))
      metrics.set(name, (metrics.get(name) ?? 0) + Number(value))
  }
  const read = (name: string): number => {
    const value = metrics.get(name)
    if (value === undefined) throw new Error(`/metrics has no ${name}`)
    return value
  }
  return {
    rssBytes: read('cutover_process_resident_memory_bytes'),
    heapBytes: read('cutover_nodejs_heap_size_used_bytes'),
    fileDescriptors: descendants(cutover.process.pid ?? 0).reduce((sum, pid) => sum + openDescriptors(pid), 0),
    clientConnections: read('cutover_connections'),
    inFlight: read('cutover_requests_in_flight'),
  }
}

/**
 * Waits until nothing is under way and connections have gone, and then until what is left satisfies; at most `mostMs`
 * in all. Returns how things stand then.
 */
export async function settled(
  cutover: Cutover,
  satisfies: (found: Vitals) => boolean,
  mostMs: number,
): Promise<Vitals> {
  const deadline = performance.now() + mostMs
  let least = Number.POSITIVE_INFINITY
  let leastSince = performance.now()
  for (;;) {
    const found = await vitals(cutover)
    const now = performance.now()
    if (found.fileDescriptors < least) {
      least = found.fileDescriptors
      leastSince = now
    }
    const isIdle = found.inFlight === 0 && found.clientConnections === 0 && now - leastSince >= REST_MS
    if ((isIdle && satisfies(found)) || now > deadline) return found
    await delay(POLL_MS)
  }
}
