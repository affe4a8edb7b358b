import { expect, test } from 'vitest'
import { LOOK_MS, START_MS, Watchdog } from '../../src/process/watchdog.ts'

/** A watchdog over two processes on a clock of its own, and what it did. */
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
  /** Lets time pass as it does for a watchdog that is not held up; `alive`: those that say each half second that they are. */
  const pass = (ms: number, ...alive: readonly (typeof a)[]): void => {
    const until = nowMs + ms
    while (nowMs < until) {
      nowMs += LOOK_MS
      for (const each of alive) watchdog.heard(each)
      watchdog.look()
    }
  }
  /** Time passes, and the watchdog does not run. */
  const holdUp = (ms: number): void => {
    nowMs += ms
    watchdog.look()
  }
  return { watchdog, told, a, b, pass, holdUp }
}

test('a process that says nothing for 3 s is hung, and is killed after 10 s, once', () => {
  const { watchdog, told, a, b, pass } = watching()
  pass(1_000, a, b)
  pass(2_500, b)
  expect([told, watchdog.isHung(a)]).toEqual([[], false])
  pass(1_000, b)
  expect([told, watchdog.isHung(a), watchdog.isHung(b)]).toEqual([['a hangs'], true, false])
  pass(20_000, b)
  expect(told).toEqual(['a hangs', 'kill a'])
})

test('a process that comes back is not killed', () => {
  const { watchdog, told, a, b, pass } = watching()
  pass(1_000, a, b)
  pass(5_000, b)
  pass(20_000, a, b)
  expect([told, watchdog.isHung(a)]).toEqual([['a hangs', 'a is back'], false])
})

test('while the watchdog is held up itself, nobody is late: the machine is busy, or was suspended', () => {
  const { told, a, b, pass, holdUp } = watching()
  pass(1_000, a, b)
  holdUp(60_000)
  for (let i = 0; i < 20; i++) holdUp(2_000)
  expect(told).toEqual([])
  // It counts from there on.
  pass(4_000)
  expect(told).toEqual(['a hangs', 'b hangs'])
})

test('a process that starts has time, and one that is forgotten is not watched', () => {
  const { watchdog, told, b, pass } = watching()
  watchdog.forget(b)
  pass(START_MS)
  expect(told).toEqual([])
  pass(20_000)
  expect(told).toEqual(['a hangs', 'kill a'])
})
