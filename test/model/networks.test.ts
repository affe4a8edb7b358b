import { expect, test } from 'vitest'
import { covers, networks } from '../../src/model/networks.ts'

const LIST = networks(['10.0.0.0/8', '192.168.1.7', '::1/128', 'fd00::/8', '2001:db8::1'])

test.each([
  '10.0.0.0',
  '10.255.255.255',
  '192.168.1.7',
  '::1',
  'fd12::1',
  '2001:db8::1',
  '::ffff:10.1.2.3',
  'fd12::1%eth0',
])('covers %s', (address) => {
  expect(covers(LIST, address)).toBe(true)
})

test.each([
  '11.0.0.0',
  '192.168.1.8',
  '::2',
  'fe00::1',
  '2001:db8::2',
  '::ffff:11.0.0.1',
  '',
  'unix',
  '10.0.0',
  '10.0.0.1.2',
  '10.0.0.1%"x',
])('does not cover %s', (address) => {
  expect(covers(LIST, address)).toBe(false)
})

test('an empty list covers no address', () => {
  expect(covers(networks([]), '127.0.0.1')).toBe(false)
})
