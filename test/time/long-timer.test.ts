import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { LongTimer } from '../../src/time/long-timer.ts'

test.each([2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER])('a timer of %i ms does not fire at once', async (delayMs) => {
  let isDue = false
  const timer = new LongTimer(delayMs, () => {
    isDue = true
  })
  await delay(50)
  timer.cancel()
  expect(isDue).toBe(false)
})

test('a timer that takes several of Node fires once its whole time has passed, and only once', async () => {
  const since = performance.now()
  const { promise, resolve } = Promise.withResolvers<number>()
  let count = 0
  new LongTimer(
    100,
    () => {
      count++
      resolve(performance.now() - since)
    },
    30,
  )
  expect(await promise).toBeGreaterThanOrEqual(99)
  await delay(60)
  expect(count).toBe(1)
})

test('a timer that is cancelled does not fire, whichever of its parts it is in', async () => {
  let isDue = false
  const timer = new LongTimer(
    1_500,
    () => {
      isDue = true
    },
    20,
  )
  await delay(50)
  timer.cancel()
  await delay(1_600)
  expect(isDue).toBe(false)
})

test('a time that is over is due in the next turn', async () => {
  await new Promise<void>((resolve) => new LongTimer(-5_000, resolve))
})
