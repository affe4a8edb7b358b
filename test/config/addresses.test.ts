import { expect, test } from 'vitest'
import {
  parseCidr,
  parseHost,
  parseHostPattern,
  parseListen,
  parsePathPrefix,
  parseServerUrl,
} from '../../src/config/addresses.ts'
import { formatListen, isLoopback } from '../../src/net/listen-address.ts'

test.for([
  ['127.0.0.1:8080', { kind: 'tcp', host: '127.0.0.1', port: 8080 }],
  ['[::1]:8080', { kind: 'tcp', host: '::1', port: 8080 }],
  [':8080', { kind: 'tcp', host: '', port: 8080 }],
  ['localhost:0', { kind: 'tcp', host: 'localhost', port: 0 }],
  ['unix:/run/cutover.sock', { kind: 'unix', path: '/run/cutover.sock' }],
  ['fd:3', { kind: 'fd', fd: 3 }],
] as const)('listens on %s', ([text, target]) => {
  expect(parseListen(text)).toEqual(target)
  expect(formatListen(target)).toBe(text)
})

test.for([
  '8080',
  '127.0.0.1',
  '127.0.0.1:',
  '127.0.0.1:65536',
  '::1:80',
  '[::1]',
  '[1.2.3.4]:80',
  'unix:',
  'fd:x',
  'a b:80',
  '1.2.3:80',
  '',
])('does not listen on %j', (text) => {
  expect(parseListen(text)).toBeUndefined()
})

test.for([
  ['127.0.0.1:1', true],
  ['127.1.2.3:1', true],
  ['[::1]:1', true],
  ['LOCALHOST:1', true],
  ['unix:/x', true],
  ['0.0.0.0:1', false],
  ['[::]:1', false],
  [':1', false],
  ['10.0.0.1:1', false],
  ['localhost.example.com:1', false],
] as const)('%s is loopback: %s', ([text, expected]) => {
  const target = parseListen(text)
  expect(target && isLoopback(target)).toBe(expected)
})

test('networks are CIDRs; a plain address is a network with one address', () => {
  expect(['10.0.0.0/8', '::1/128', '10.1.2.3', 'fe80::1', '0.0.0.0/0'].map(parseCidr)).toEqual([
    '10.0.0.0/8',
    '::1/128',
    '10.1.2.3/32',
    'fe80::1/128',
    '0.0.0.0/0',
  ])
  const wrong = ['10.0.0.0/33', '::1/129', '10.0.0/8', 'localhost', '10.0.0.0/', '10.0.0.0/8/8', 'fe80::1%eth0', '']
  expect(wrong.map(parseCidr)).toEqual(wrong.map(() => undefined))
})

test('host names are lower case ASCII; only a first label may be a wildcard', () => {
  expect(
    ['Shop.Example.COM', '*.shop.example.com', 'bücher.example', '10.0.0.1', '[::1]', 'my_app'].map(parseHostPattern),
  ).toEqual(['shop.example.com', '*.shop.example.com', 'xn--bcher-kva.example', '10.0.0.1', '[::1]', 'my_app'])
  const wrong = [
    'shop:80',
    '*',
    '*.*.com',
    'a.*.com',
    'a..b',
    '-a',
    'a/b',
    'a b',
    '',
    '::1',
    '0x7f.1',
    'a.',
    `${'a'.repeat(64)}.b`,
  ]
  expect(wrong.map(parseHostPattern)).toEqual(wrong.map(() => undefined))
  expect(parseHost('*.example.com')).toBeUndefined()
})

test('a server is scheme, host and port', () => {
  expect(
    ['http://10.0.0.1:9000', 'HTTPS://App.Example/', 'http://[::1]:80', 'http://my_app:3000'].map(parseServerUrl),
  ).toEqual(['http://10.0.0.1:9000', 'https://app.example', 'http://[::1]', 'http://my_app:3000'])
  const wrong = [
    '10.0.0.1:9000',
    'http://',
    'http://a/b',
    'http://a?b',
    'http://a/?',
    'http://u:p@a',
    'ftp://a',
    'http:a',
    'http://a:0',
    'http://a:99999',
    'http://a b',
    'http:\\\\a',
    'http://a#',
    'http://a,b:80',
    'http://a;b',
    'http://-a',
  ]
  expect(wrong.map(parseServerUrl)).toEqual(wrong.map(() => undefined))
})

test('path prefixes lose their trailing slash', () => {
  expect(['/', '/shop', '/shop/', '/a%20b//'].map(parsePathPrefix)).toEqual(['/', '/shop', '/shop', '/a%20b'])
  expect(['shop', '', '/a?b', '/a#b', '/a b', '/ä', '/api/*', '/*'].map(parsePathPrefix)).toEqual(
    Array(8).fill(undefined),
  )
})
