import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { type ask, Fleet, hold, killControl, serverView } from './support.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS
/** Of a drain. */
const DEADLINE_MS = 3_000
/** What is cut before that was cut at once. (That it is in force everywhere takes its time on a busy machine, too.) */
const AT_ONCE_MS = 1_500
/** What is cut after that was not cut at the deadline: less than what the nearest clock is off. */
const LATE_MS = 40_000

let folder: string
let fleet: Fleet
let a: Cutover
/** The instance whose clock the test changes. */
let b: Cutover
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-clocks-'))
  await setClock(0)
  const services = (app: Fleet['app']) => ({
    shop: app.service({ drain: { timeout: `${DEADLINE_MS}ms` } }),
    other: app.service({ paths: ['/other'], drain: { timeout: `${DEADLINE_MS}ms` } }),
  })
  fleet = await Fleet.empty()
  const preload = new URL('../support/skewed-clock.ts', import.meta.url).href
  const env = { NODE_OPTIONS: `--import=${preload}`, SKEWED_CLOCK: join(folder, 'clock') }
  ;[a, b] = await Promise.all([
    fleet.add('a', { services: services(fleet.app) }),
    fleet.add('b', { services: services(fleet.app), env }),
  ])
})
afterAll(async () => {
  await fleet?.stop()
  await rm(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  fleet.app.release()
  expect((await a.api('POST', '/api/servers/blue1/enable?wait=20s')).status).toBe(200)
  await fleet.settled()
})

async function setClock(aheadMs: number): Promise<void> {
  await writeFile(join(folder, 'clock'), String(aheadMs))
}

/** Sets the clock of `b`, and resolves when its processes go by it. */
async function skew(aheadMs: number): Promise<void> {
  await setClock(aheadMs)
  await until(async () => {
    const probedAt = Date.parse((await serverView(b, 'blue1')).lastProbe.at)
    return Math.abs(probedAt - Date.now() - aheadMs) < 10_000
  })
}

/** Resolves once one of these is cut, with when that was (monotonic ms). */
function firstCut(asked: readonly ReturnType<typeof ask>[]): Promise<number> {
  return new Promise((resolve) => {
    for (const each of asked) {
      void each.then(({ status }) => status === 504 && resolve(performance.now())).catch(() => undefined)
    }
  })
}

function expectAtDeadline(tookMs: number): void {
  expect(tookMs).toBeGreaterThan(AT_ONCE_MS)
  expect(tookMs).toBeLessThan(LATE_MS)
}

test.each([
  ['a minute ahead', MINUTE_MS],
  ['a minute behind', -MINUTE_MS],
  ['30 days behind', -30 * DAY_MS],
])('an instance whose clock is %s keeps the deadlines of others, and others keep its own', async (_, aheadMs) => {
  await skew(aheadMs)
  const cutAtB = firstCut(await hold(fleet, b, 'blue1', 1))
  const cutAtA = firstCut(await hold(fleet, a, 'blue1', 1, '/other/hold'))
  const since = performance.now()
  expect((await a.api('POST', '/api/servers/blue1/drain?service=shop')).status).toBe(200)
  expect((await b.api('POST', '/api/servers/blue1/drain?service=other')).status).toBe(200)
  for (const cutAt of await Promise.all([cutAtA, cutAtB])) expectAtDeadline(cutAt - since)
  // Times that people are shown are of one clock, too.
  const { history } = (await a.api('GET', '/api/services/other/history')).body
  expect(Math.abs(Date.parse(history[0].at) - Date.now())).toBeLessThan(LATE_MS)
  for (const { lastSeen } of (await b.api('GET', '/api/instances')).body.instances) {
    expect(Math.abs(Date.parse(lastSeen) - Date.now())).toBeLessThan(LATE_MS)
  }
})

test.each([
  ['right', 0],
  ['a minute ahead', MINUTE_MS],
  ['a minute behind', -MINUTE_MS],
])(
  'a control process that is killed in a drain, with a clock that is %s, changes nothing about its deadline',
  async (_, aheadMs) => {
    await skew(aheadMs)
    const cut = firstCut(await hold(fleet, b, 'blue1', 1))
    const since = performance.now()
    expect((await a.api('POST', '/api/servers/blue1/drain?service=shop')).status).toBe(200)
    await until(async () => (await serverView(b, 'blue1')).state === 'drain')
    await killControl(b)
    expectAtDeadline((await cut) - since)
  },
)
