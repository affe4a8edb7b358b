import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import type { Memory } from './memory.ts'
import type { Experience } from './others.ts'
import type { Row } from './siege.ts'
import { brokenIn } from './verdict.ts'

const BEFORE: Experience = { requests: 100, failed: 0, causes: {}, p50Ms: 1, p99Ms: 10, slowestMs: 20 }
const MEMORY: Memory = { pid: 1, role: 'worker', beforeMb: 100, peakMb: 120, afterMb: 110 }
const ROW: Row = {
  attack: { name: 'noise', run: async () => undefined },
  ...{ counts: {}, during: BEFORE, recoveredAfterMs: 300, failedAfter: 0, memory: [MEMORY] },
}

const broken = (row: Partial<Row>) => brokenIn({ before: BEFORE, rows: [{ ...ROW, ...row }], ended: null })

test('an attack that nobody notices breaks nothing', () => {
  expect(broken({})).toEqual([])
  expect(broken({ during: { ...BEFORE, p99Ms: 500 } })).toEqual([])
})

test.each<[string, Partial<Row>, RegExp]>([
  ['a request of others failed', { during: { ...BEFORE, failed: 2 } }, /^noise: 2 requests of others failed/],
  ['one failed right after it', { failedAfter: 1 }, /^noise: 1 requests of others failed/],
  ['nobody was answered', { during: { ...BEFORE, requests: 0 } }, /no request of others was answered/],
  ['the others were slow', { during: { ...BEFORE, p99Ms: 501 } }, /p99 was 501 ms, more than 500 ms/],
  ['it has not ended with the attack', { recoveredAfterMs: null }, /had not recovered/],
  [
    'memory grew without bound',
    { memory: [{ ...MEMORY, peakMb: 251 }] },
    /grew by more than 150 MB \(worker 100\/251\/110\)/,
  ],
  ['a process ended', { memory: [{ ...MEMORY, afterMb: 0 }] }, /a process ended \(worker\)/],
])('%s: that is said, and nothing else', (_what, row, why) => {
  expect(broken(row)).toEqual([expect.stringMatching(why)])
})

test.each([['--seconds 0'], ['--only elephants'], ['--minutes 3']])('%s is unusable', (line) => {
  const main = fileURLToPath(new URL('main.ts', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...line.split(' ')], { encoding: 'utf8' })
  expect([status, stdout]).toEqual([2, ''])
  expect(stderr).toContain('Usage: npm run attack')
})
