import { beforeEach, expect, test } from 'vitest'
import { ServerClock } from '../../src/store/redis/server-clock.ts'

/** Difference of the server's clock to the local monotonic clock, ms. */
const AHEAD = 1_795_800_000_000

let now = 0
let clock: ServerClock
beforeEach(() => {
  now = 5_000
  clock = new ServerClock(() => now)
})

/** The server is asked, reads its clock after `thereMs`, and the answer is taken `backMs` later. */
function ask(thereMs: number, backMs: number, ahead = AHEAD): void {
  const sentAt = now
  const serverMs = Math.floor(sentAt + thereMs + ahead)
  now += thereMs + backMs
  clock.set(serverMs, sentAt)
}

test('is unknown before the first answer, then advances with the monotonic clock', () => {
  expect(clock.at(now)).toBe(0)
  expect(Math.abs(clock.nowMs() - Date.now())).toBeLessThan(1_000)
  ask(1, 0)
  now += 60_000
  expect(clock.nowMs()).toBe(now + AHEAD)
  expect(clock.at(now + 500)).toBe(now + AHEAD + 500)
})

test('a late answer does not set it back, and a quick one after it corrects it', () => {
  ask(1, 900)
  expect(clock.nowMs()).toBe(now + AHEAD - 900)
  ask(1, 1)
  expect(clock.nowMs()).toBe(now + AHEAD - 1)
  now += 1_000
  ask(1, 900)
  expect(now + AHEAD - clock.nowMs()).toBeLessThanOrEqual(3)
})

test.each([60_000, -60_000])('a server whose clock is set by %i ms, or another server, is followed at once', (by) => {
  ask(1, 1)
  now += 1_000
  ask(1, 1, AHEAD + by)
  expect(clock.nowMs()).toBe(now + AHEAD + by - 1)
})

test('a server whose clock drifts is followed', () => {
  for (let i = 0; i < 10_000; i++) {
    now += 1_000
    ask(1, 1, AHEAD - i * 0.1)
  }
  expect(Math.abs(clock.nowMs() - (now + AHEAD - 1_000))).toBeLessThan(10)
})
