import type { Hooks } from 'cutover'

/** For each key and worker. */
const MAX_REQUESTS = 100
const WINDOW_MS = 60_000
/** Clients can invent any number of keys. */
const MAX_KEYS = 100_000

interface Window {
  readonly until: number
  count: number
}

const windows = new Map<string, Window>()

function windowOf(key: string, now: number): Window {
  const known = windows.get(key)
  if (known !== undefined && known.until > now) return known
  const window = { until: now + WINDOW_MS, count: 0 }
  // Set anew, so that the windows that end first are the first ones of the map.
  windows.delete(key)
  windows.set(key, window)
  for (const [oldest, { until }] of windows) {
    if (until > now && windows.size <= MAX_KEYS) break
    windows.delete(oldest)
  }
  return window
}

/** Limits the requests with one API key, or of one address if there is none. */
export default {
  request(r) {
    const now = performance.now()
    const window = windowOf(r.header('x-api-key') ?? r.client, now)
    if (++window.count <= MAX_REQUESTS) return undefined
    const seconds = Math.ceil((window.until - now) / 1_000)
    return { status: 429, headers: { 'Retry-After': String(seconds) }, body: 'Too many requests.\n' }
  },
} satisfies Hooks
