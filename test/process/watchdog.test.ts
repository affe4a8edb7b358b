import { expect, test } from 'vitest'
import { CHECK_INTERVAL_MS, START_MS, Watchdog } from '../../src/process/watchdog.ts'

/** A watchdog over two processes with a clock of its own, and a record of its calls. */
function watching() {
  let nowMs = 0
  const told: string[] = []
  const process = (name: string) => ({ name, kill: () => told.push(`kill ${name}`) })
  const [a, b] = [process('a'), process('b')]
  const watchdog = new Watchdog<typeof a>({
    now: () => nowMs,
    onChange: ({ name }, isHung) => told.push(`${name} ${isHung ? 'hangs' : 'is back'}`),
    onKill: () => undefined,
  })
  watchdog.watch(a)
  watchdog.watch(b)
  /** Lets time pass with `check` called on time. `alive`: the processes that send a sign of life each half second. */
  const pass = (ms: number, ...alive: readonly (typeof a)[]): void => {
    const until = nowMs + ms
    while (nowMs < until) {
      nowMs += CHECK_INTERVAL_MS
      for (const each of alive) watchdog.heard(each)
      watchdog.check()
    }
  }
  /** Lets time pass without a call of `check` in between. */
  const holdUp = (ms: number): void => {
    nowMs += ms
    watchdog.check()
  }
  return { watchdog, told, a, b, pass, holdUp }
}

test('a process is hung after 3 s of silence, and killed once after 10 s', () => {
  const { watchdog, told, a, b, pass } = watching()
  pass(1_000, a, b)
  pass(2_500, b)
  expect([told, watchdog.isHung(a)]).toEqual([[], false])
  pass(1_000, b)
  expect([told, watchdog.isHung(a), watchdog.isHung(b)]).toEqual([['a hangs'], true, false])
  pass(20_000, b)
  expect(told).toEqual(['a hangs', 'kill a'])
})

test('a hung process that responds again is not killed', () => {
  const { watchdog, told, a, b, pass } = watching()
  pass(1_000, a, b)
  pass(5_000, b)
  pass(20_000, a, b)
  expect([told, watchdog.isHung(a)]).toEqual([['a hangs', 'a is back'], false])
})

test('time in which the watchdog itself did not run does not count as silence', () => {
  const { told, a, b, pass, holdUp } = watching()
  pass(1_000, a, b)
  holdUp(60_000)
  for (let i = 0; i < 20; i++) holdUp(2_000)
  expect(told).toEqual([])
  // Silence counts again from here on.
  pass(4_000)
  expect(told).toEqual(['a hangs', 'b hangs'])
})

test('a starting process has extra time, and a forgotten one is not watched', () => {
  const { watchdog, told, b, pass } = watching()
  watchdog.forget(b)
  pass(START_MS)
  expect(told).toEqual([])
  pass(20_000)
  expect(told).toEqual(['a hangs', 'kill a'])
})
