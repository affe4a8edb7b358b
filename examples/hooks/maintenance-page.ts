import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Hooks } from 'cutover'

/** While this file exists, the service `shop` is closed: `touch /run/cutover/maintenance`. */
const SWITCH = process.env.MAINTENANCE_FILE ?? '/run/cutover/maintenance'
const CHECKED_EVERY_MS = 1_000
/** Read once, when the hooks are loaded. */
const PAGE = readFileSync(join(import.meta.dirname, 'maintenance.html'), 'utf8')

let isClosed = false
let checkedAt = Number.NEGATIVE_INFINITY

function isClosedNow(): boolean {
  const now = performance.now()
  if (now - checkedAt >= CHECKED_EVERY_MS) {
    checkedAt = now
    isClosed = statSync(SWITCH, { throwIfNoEntry: false }) !== undefined
  }
  return isClosed
}

/** Answers with a page of its own while the shop is closed; whoever has the cookie `staff` comes in. */
export default {
  request(r) {
    if (r.service !== 'shop' || !isClosedNow() || r.cookie('staff') === '1') return undefined
    const headers = { 'Content-Type': 'text/html; charset=utf-8', 'Retry-After': '120', 'Cache-Control': 'no-store' }
    return { status: 503, headers, body: PAGE }
  },
} satisfies Hooks
