import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AnswerWindow } from '../../src/proxy/routing/answer-window.ts'

/** Time between two answers, and what the second one is. */
const kinds = fc.constantFrom('ok', 'failed', 'unreachable')
const answers = fc.array(fc.tuple(fc.double({ min: 0, max: 4_000, noNaN: true }), kinds), { maxLength: 200 })
const windows = fc.constantFrom(20, 100, 333, 1_000, 10_000)

test('a window has what was answered in its 20 slots', () => {
  fc.assert(
    fc.property(windows, fc.double({ min: 0, max: 1e9, noNaN: true }), answers, (windowMs, start, steps) => {
      const window = new AnswerWindow(windowMs)
      const slotOf = (at: number) => Math.floor(at / (windowMs / 20))
      const all: { at: number; kind: string }[] = []
      let now = start
      for (const [step, kind] of steps) {
        now += step
        window.add(kind === 'ok', now, kind === 'unreachable')
        all.push({ at: now, kind })
        const within = all.filter(({ at }) => slotOf(at) > slotOf(now) - 20)
        expect(window.count()).toEqual({
          answers: within.length,
          failures: within.filter((each) => each.kind !== 'ok').length,
          unreachable: within.filter((each) => each.kind === 'unreachable').length,
        })
      }
    }),
  )
})

test('an answer counts for 95 to 100 % of the time', () => {
  fc.assert(
    fc.property(windows, fc.double({ min: 0, max: 1e9, noNaN: true }), (windowMs, at) => {
      const window = new AnswerWindow(windowMs)
      window.add(false, at, true)
      window.advance(at + 0.949 * windowMs)
      expect(window.count()).toEqual({ answers: 1, failures: 1, unreachable: 1 })
      window.advance(at + 1.001 * windowMs)
      expect(window.count()).toEqual({ answers: 0, failures: 0, unreachable: 0 })
    }),
  )
})
