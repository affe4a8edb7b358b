import { describe, expect, test } from 'vitest'
import type { Cause } from '../support/failed.ts'
import type { Failure, Result, Service } from './figures.ts'
import { judge } from './judge.ts'
import { Ledger } from './ledger.ts'
import { verdict } from './report.ts'
import { Tally } from './tally.ts'

const VITALS = { rssBytes: 200e6, heapBytes: 50e6, fileDescriptors: 26, clientConnections: 0, inFlight: 0 }
const NONE = { steady: new Tally().counts.steady, rough: new Tally().counts.rough }

/** A run in which all went well. */
const GOOD: Result = {
  seconds: 6,
  warmUpSeconds: 2,
  counts: NONE,
  latency: { steady: { p50Ms: 1, p99Ms: 2 }, rough: { p50Ms: 1, p99Ms: 2 } },
  operations: { switch: 1 },
  refusedOperations: [],
  episodes: { reset: 1 },
  disturbed: 1,
  explained: { reset: 1 },
  unexplained: [],
  unexplainedCount: { steady: 0, rough: 0 },
  sentTwice: [],
  start: VITALS,
  end: VITALS,
  samples: [],
  loggedErrors: [],
  printed: [],
  ended: null,
}

function failure(service: Service, cause: Cause): Failure {
  const id = `${service}-get-0-1`
  return { service, kind: 'get', id, cause, detail: cause, because: id, startedAt: 1_000, endedAt: 1_100 }
}

describe('the verdict', () => {
  test('a good run keeps all promises; what may be left over is left over', () => {
    const end = { ...VITALS, rssBytes: 200e6 * 1.3 + 50e6, heapBytes: 50e6 * 1.3 + 50e6, fileDescriptors: 36 }
    expect(judge({ ...GOOD, end })).toEqual([])
    expect(verdict([])).toBe('Verdict: all promises kept.')
  })

  test.each<[string, Partial<Result>, RegExp]>([
    [
      'a request to steady failed',
      { unexplainedCount: { steady: 1, rough: 0 }, unexplained: [failure('steady', 'status 502')] },
      /1 requests to steady failed, such as steady-get-0-1 \(status 502\)/,
    ],
    [
      'a failure on rough that nothing explains',
      { unexplainedCount: { steady: 0, rough: 2 }, unexplained: [failure('rough', 'wrong bytes')] },
      /2 failures on rough that nothing explains, such as rough-get-0-1 \(wrong bytes\)/,
    ],
    ['a POST was sent twice', { sentTwice: ['rough-post-0-7'] }, /1 POSTs were sent twice, such as rough-post-0-7/],
    ['a switch was refused', { refusedOperations: ['POST …: 409'] }, /1 operations were not done, such as POST …: 409/],
    ['an error was logged', { loggedErrors: ['unexpected error'] }, /logged 1 errors, such as unexpected error/],
    ['Cutover ended', { ended: 'SIGSEGV' }, /Cutover ended by itself: SIGSEGV/],
    ['a request hangs in there', { end: { ...VITALS, inFlight: 1 } }, /1 requests are in flight/],
    ['descriptors leak', { end: { ...VITALS, fileDescriptors: 37 } }, /37 file descriptors are open, 26 were/],
    ['memory leaks', { end: { ...VITALS, rssBytes: 311e6 } }, /RSS is 311 MB, more than 310 MB/],
    ['the heap leaks', { end: { ...VITALS, heapBytes: 116e6 } }, /heap is 116 MB, more than 115 MB/],
  ])('%s: it says so, and nothing else', (_what, bad, why) => {
    const broken = judge({ ...GOOD, ...bad })
    expect(broken).toHaveLength(1)
    expect(broken[0]).toMatch(why)
    expect(verdict(broken)).toMatch(/^BROKEN: .*\nVerdict: 1 broken\.$/s)
  })
})

describe('the account of what was done on purpose', () => {
  test('explains what the disturbance of that very request looks like, and nothing else', () => {
    const ledger = new Ledger()
    ledger.disturbed('rough-get-0-1', 'stall')
    expect(ledger.explain(failure('rough', 'status 504'))).toBe('stall')
    for (const cause of ['status 502', 'broken off', 'wrong bytes', 'hang'] as const) {
      expect(ledger.explain(failure('rough', cause))).toBeNull()
    }
    expect(ledger.explain({ ...failure('rough', 'status 504'), because: 'rough-get-0-2' })).toBeNull()
  })

  test('explains what was at a server, or on its way, while that was away, and nothing later', () => {
    const ledger = new Ledger()
    const close = ledger.begin('SIGKILL', 1_050)
    close(1_500)
    expect(ledger.explain(failure('rough', 'broken off'))).toBe('SIGKILL')
    expect(ledger.explain(failure('rough', 'status 504'))).toBeNull()
    expect(ledger.explain({ ...failure('rough', 'status 502'), startedAt: 9_000, endedAt: 9_100 })).toBeNull()
    expect(ledger.explain({ ...failure('rough', 'status 502'), startedAt: 900, endedAt: 1_000 })).toBeNull()
  })

  test('knows a POST that a server broke off, and that was answered all the same', () => {
    const ledger = new Ledger()
    ledger.disturbed('rough-post-0-1', 'reset')
    ledger.disturbed('rough-post-0-2', 'reset')
    ledger.disturbed('rough-post-0-3', 'surplus')
    ledger.disturbed('rough-get-0-1', 'reset')
    const isPost = (id: string) => id.includes('post')
    expect(ledger.sentTwice(isPost, new Set(['rough-post-0-1']))).toEqual(['rough-post-0-2'])
  })
})
