import { expect, test } from 'vitest'
import { AppVersions, type VersionMismatch } from '../../src/control/app-versions.ts'

function versions() {
  const defined = new Map([['shop/blue', '1']])
  const clock = { nowMs: 0 }
  const told: VersionMismatch[] = []
  const all = new AppVersions({
    versionOf: (service, pool) => defined.get(`${service}/${pool}`),
    onMismatch: (mismatch) => told.push(mismatch),
    now: () => clock.nowMs,
  })
  const report = (seen: readonly string[], version = '1') => all.take({ service: 'shop', pool: 'blue', version, seen })
  return { all, report, defined, clock, told }
}

test('a mismatch is told once, and its end when only the right version was reported for a minute', () => {
  const { report, clock, told } = versions()
  report(['1'])
  report(['1', '2'])
  report(['2'])
  clock.nowMs = 59_000
  report(['1'])
  expect(told).toMatchObject([{ version: '1', reported: ['1', '2'], isMismatch: true }])
  clock.nowMs = 61_000
  report(['1'])
  expect(told).toMatchObject([{ isMismatch: true }, { reported: ['1'], isMismatch: false }])
})

test('what was reported to an earlier version of the definition does not count', () => {
  const { all, report, defined, told } = versions()
  report(['1'])
  defined.set('shop/blue', '2')
  report(['1'], '1')
  expect([told, all.reportedBy('shop', 'blue')]).toEqual([[], []])
  all.probed('shop/blue/blue1=http://127.0.0.1:1', '2')
  expect([told, all.reportedBy('shop', 'blue')]).toEqual([[], ['2']])
})

test('a pool that is gone is forgotten, and one that returns begins anew', () => {
  const { all, report, defined } = versions()
  report(['2'])
  defined.delete('shop/blue')
  all.tidy()
  report(['2'])
  defined.set('shop/blue', '1')
  expect(all.reportedBy('shop', 'blue')).toEqual([])
})
