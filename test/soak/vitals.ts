import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Cutover } from '../support/cutover.ts'
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
    const [, name, value] = /^(\w+)(?:\{.*\})? (\S+)/.exec(line) ?? []
    if (name !== undefined) metrics.set(name, (metrics.get(name) ?? 0) + Number(value))
  }
  const read = (name: string): number => {
    const value = metrics.get(name)
    if (value === undefined) throw new Error(`/metrics has no ${name}`)
    return value
  }
  return {
    rssBytes: read('cutover_process_resident_memory_bytes'),
    heapBytes: read('cutover_nodejs_heap_size_used_bytes'),
    fileDescriptors: fileDescriptors(cutover.process.pid ?? 0),
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

/** Of a process and those it has started. */
function fileDescriptors(pid: number): number {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry)) parents.set(Number(entry), parentOf(entry))
  }
  const family = [...parents.keys()].filter((each) => {
    for (let id: number | undefined = each; id !== undefined; id = parents.get(id)) if (id === pid) return true
    return false
  })
  return family.reduce((sum, each) => sum + countOpen(each), 0)
}

/** proc(5): the fourth field, behind a name in brackets that may hold anything. 0: it has gone. */
function parentOf(pid: string): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  } catch {
    return 0
  }
}

function countOpen(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}
