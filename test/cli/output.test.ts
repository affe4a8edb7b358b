import { Writable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { changeText } from '../../src/cli/change-text.ts'
import { spoken } from '../../src/cli/durations.ts'
import { bar, evidenceShare } from '../../src/cli/output/bar.ts'
import { COLOURED, PLAIN, paintFor } from '../../src/cli/output/paint.ts'
import { Progress } from '../../src/cli/output/progress.ts'
import { Screen } from '../../src/cli/output/screen.ts'
import { tableLines } from '../../src/cli/output/table.ts'
import { fitted, harmless, widthOf, wrapped } from '../../src/cli/output/text.ts'

/** A terminal of so many columns and rows, which keeps what is written. */
class Written extends Writable {
  readonly isTTY: boolean
  readonly pieces: string[] = []
  size: [number, number]

  constructor(columns: number, rows: number, isTTY = true) {
    super({ decodeStrings: false })
    this.size = [columns, rows]
    this.isTTY = isTTY
  }

  getWindowSize(): [number, number] {
    return this.size
  }

  override _write(piece: string, _encoding: string, done: () => void): void {
    this.pieces.push(piece)
    done()
  }
}

const streamOf = (written: Written) => written as Written & NodeJS.WriteStream

describe('a screen', () => {
  test('draws each frame by one write over the one before, without clearing it first', () => {
    const written = new Written(80, 24)
    const screen = new Screen(streamOf(written))
    screen.draw(['one', 'two', 'three'])
    screen.draw(['eins', 'zwei'])
    screen.end()
    const [first, second, end] = written.pieces
    expect(written.pieces).toHaveLength(3)
    expect(first).toBe('\u001b[?2026h\u001b[?25lone\u001b[K\ntwo\u001b[K\nthree\u001b[K\n\u001b[J\u001b[?2026l')
    expect(second).toBe('\u001b[?2026h\u001b[3A\reins\u001b[K\nzwei\u001b[K\n\u001b[J\u001b[?2026l')
    expect(end).toBe('\u001b[?25h')
  })

  test('never scrolls: lines are cut to the window of the moment', () => {
    const written = new Written(10, 4)
    const screen = new Screen(streamOf(written))
    const lines = Array.from({ length: 6 }, (_, i) => `line ${i} is long`)
    screen.draw(lines)
    expect(written.pieces[0]?.split('\n')).toHaveLength(4)
    expect(written.pieces[0]).toContain('line 0 is…')
    expect(written.pieces[0]).toContain('… 4 more …')
    written.size = [80, 24]
    screen.draw(lines)
    expect(written.pieces[1]).toContain('\u001b[3A\rline 0 is long')
  })
})

describe('progress', () => {
  test('is one line in place on a terminal', () => {
    const written = new Written(20, 24)
    const progress = new Progress(streamOf(written))
    progress.show('waits', 'for something that is long')
    progress.show('waits')
    progress.end()
    progress.end()
    expect(written.pieces).toHaveLength(3)
    expect(written.pieces[0]?.replace('\r\u001b[K', '')).toMatch(/^\d+ms {2}waits: for.*…$/)
    expect(widthOf(written.pieces[0] ?? '')).toBeLessThanOrEqual(20)
    expect(written.pieces[2]).toBe('\r\u001b[K')
  })

  test('is a line per change of its headline elsewhere', () => {
    const written = new Written(0, 0, false)
    const progress = new Progress(streamOf(written))
    for (const [headline, detail] of [
      ['a', '1'],
      ['a', '2'],
      ['b', '3'],
    ] as const)
      progress.show(headline, detail)
    progress.end()
    expect(written.pieces.map((line) => line.replace(/^\d+ms {2}/, ''))).toEqual(['a: 1\n', 'b: 3\n'])
  })
})

describe('text', () => {
  test('is cut by what is seen of it, and keeps its colours', () => {
    const text = `${COLOURED('red', 'error')} and more`
    expect(fitted(text, 40)).toBe(text)
    expect(fitted(text, 4)).toBe('\u001b[31merr…\u001b[39m')
    expect(widthOf(fitted(text, 8))).toBe(8)
  })

  test('from the API cannot steer the terminal', () => {
    expect(harmless('a\u001b[2J\u001b]0;title\u0007b\nc\u202e')).toBe('ab c ')
  })

  test('is broken between words', () => {
    expect(wrapped('needs 299 requests, has 211', 12)).toEqual(['needs 299', 'requests,', 'has 211'])
    expect(wrapped('unbreakable', 4)).toEqual(['unbreakable'])
  })

  test('stands in columns, whatever its colours', () => {
    expect(tableLines([['a', COLOURED('red', 'bb'), 'c'], ['aa', 'b', 'cc'], ['x']], [2])).toEqual([
      `a   ${COLOURED('red', 'bb')}   c`,
      'aa  b   cc',
      'x',
    ])
  })

  test('in the last column is wrapped to the width of the terminal, and what cannot be wrapped is cut in pieces', () => {
    expect(tableLines([['a', 'one two http://a.very.long.address.example.com:80']], [], 24)).toEqual([
      'a  one two',
      '   http://a.very.long.ad',
      '   dress.example.com:80',
    ])
  })

  test.for([
    [{ blue: 100 }, { blue: 5, green: 95, old: 0 }, 'blue 100 → blue 5, green 95'],
    ['up', 'down', 'up → down'],
    [null, { why: 'split', cutAt: null }, 'why: split'],
    [{ a: { b: 'x' }, c: [1] }, { a: { b: 'y' }, c: [1, 2] }, 'a.b: x → y, c: [1] → [1,2]'],
    [{ a: 1, b: 'x' }, { b: 'x' }, 'a: removed'],
    [null, null, ''],
  ] as const)('of a change from %j to %j is %j', ([from, to, text]) => expect(changeText(from, to)).toBe(text))

  test.for([
    [0, '0ms'],
    [999.4, '999ms'],
    [59_400, '59s'],
    [200_000, '3m 20s'],
    [7_200_000, '2h'],
    [400_000_000, '4d'],
  ] as const)('%d ms is %s', ([ms, text]) => expect(spoken(ms)).toBe(text))
})

test('colours are for terminals, unless NO_COLOR is set or the terminal has none', () => {
  expect(paintFor(true, {})).toBe(COLOURED)
  expect(paintFor(true, { NO_COLOR: '' })).toBe(COLOURED)
  expect(paintFor(true, { NO_COLOR: '1' })).toBe(PLAIN)
  expect(paintFor(true, { TERM: 'dumb' })).toBe(PLAIN)
  expect(paintFor(false, {})).toBe(PLAIN)
})

test('the bar of evidence grows with its logarithm', () => {
  expect(bar(0, 4)).toBe('░░░░')
  expect(bar(0.01, 4)).toBe('█░░░')
  expect(bar(0.5, 4)).toBe('██░░')
  expect(bar(7, 4)).toBe('████')
  expect(evidenceShare(0.3, 5_000)).toBe(0)
  expect(evidenceShare(Math.sqrt(5_000), 5_000)).toBeCloseTo(0.5)
  expect(evidenceShare(1e12, 5_000)).toBe(1)
})
