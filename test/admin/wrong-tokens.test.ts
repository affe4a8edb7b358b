import { expect, test } from 'vitest'
import { peerOf } from '../../src/admin/peer.ts'
import { WrongTokens } from '../../src/admin/wrong-tokens.ts'

test('ten wrong tokens per minute and address cause no wait', () => {
  let nowMs = 5_000
  const guesses = new WrongTokens(() => nowMs)
  for (let i = 0; i < 10; i++) expect(guesses.add('192.0.2.1')).toEqual({ waitMs: 0, isFirst: false })
  nowMs += 20_000
  expect(guesses.add('192.0.2.1')).toEqual({ waitMs: 40_000, isFirst: true })
  expect(guesses.add('192.0.2.1')).toEqual({ waitMs: 40_000, isFirst: false })
  expect(guesses.add('192.0.2.2')).toEqual({ waitMs: 0, isFirst: false })
  nowMs += 40_000
  expect(guesses.add('192.0.2.1')).toEqual({ waitMs: 0, isFirst: false })
  expect(guesses.total).toBe(14)
})

test('a limited number of addresses is remembered: the oldest is forgotten', () => {
  const guesses = new WrongTokens(() => 0)
  for (let i = 0; i < 11; i++) guesses.add('first')
  for (let i = 0; i < 100_000; i++) guesses.add(`192.0.2.${i}`)
  expect(guesses.add('first').waitMs).toBe(0)
  expect(guesses.total).toBe(100_012)
})

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::9', '2001:db8:1:2::/64'],
  ['2001:db8::9', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  [undefined, 'unix'],
])('the peer at %s counts as %s', (address, peer) => {
  expect(peerOf(address)).toBe(peer)
})
