import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { shown } from '../../src/config/shown.ts'
import { AUTHORITY, LOCALHOST, UP_TEST } from '../support/certificates.ts'
import { configOf, configProblemsOf } from './support.ts'

describe('store.redis', () => {
  test.for<[unknown, unknown]>([
    ['', null],
    ['redis://127.0.0.1:6379', { kind: 'single', url: 'redis://127.0.0.1:6379' }],
    ['rediss://me:secret@r.internal/2', { kind: 'single', url: 'rediss://me:secret@r.internal/2' }],
    [
      { sentinels: ['s1', 's2:5000', '[::1]:26379'], name: 'main', password: 'secret' },
      {
        kind: 'sentinel',
        sentinels: [
          { host: 's1', port: 26_379 },
          { host: 's2', port: 5_000 },
          { host: '::1', port: 26_379 },
        ],
        name: 'main',
        password: 'secret',
      },
    ],
    [
      { cluster: ['r1:7000', 'r2'] },
      {
        kind: 'cluster',
        nodes: [
          { host: 'r1', port: 7_000 },
          { host: 'r2', port: 6_379 },
        ],
      },
    ],
  ])('%j is understood', ([redis, topology]) => {
    expect(configOf({ store: { redis } }).store.redis).toEqual(topology)
  })

  test.for<[unknown, string]>([
    ['http://x', 'store.redis: expected redis:// or rediss://, {sentinels, name} or {cluster}'],
    [{ sentinels: [], name: 'main' }, 'store.redis.sentinels: '],
    [{ sentinels: ['a:b:c'], name: 'main' }, 'store.redis.sentinels[0]: expected a host, or host and port'],
    [{ sentinels: ['a'] }, 'store.redis.name: is missing'],
    [{ cluster: ['r1:0'] }, 'store.redis.cluster[0]: expected a host, or host and port'],
    [{ clusters: ['r1'] }, 'store.redis.clusters: unknown key "clusters"; did you mean "cluster"?'],
    [{ sentinel: ['r1'] }, 'store.redis.sentinel: unknown key "sentinel"; did you mean "sentinels"?'],
    [{ nodes: ['r1'] }, 'store.redis: expected redis:// or rediss://, {sentinels, name} or {cluster}'],
    [{}, 'store.redis: expected redis:// or rediss://, {sentinels, name} or {cluster}'],
  ])('%j is refused', ([redis, problem]) => {
    const problems = configProblemsOf({ store: { redis } })
    expect(problems.some((each) => each.startsWith(problem))).toBe(true)
  })

  test('a refused value is not repeated, since it may contain a password', () => {
    expect(JSON.stringify(configProblemsOf({ store: { redis: 'http://me:geheim@x' } }))).not.toContain('geheim')
  })
})

describe('store.tls', () => {
  let folder = ''
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cutover-store-tls-'))
    await writeFile(join(folder, 'ca.pem'), AUTHORITY)
    await writeFile(join(folder, 'cert.pem'), LOCALHOST.cert)
    await writeFile(join(folder, 'key.pem'), LOCALHOST.key)
    await writeFile(join(folder, 'other-key.pem'), UP_TEST.key)
  })
  afterAll(() => rm(folder, { recursive: true }))

  const problems = (tls: Readonly<Record<string, string>>) => {
    const files = Object.entries(tls).map(([key, name]) => [key, join(folder, name)])
    const found = configProblemsOf({ store: { redis: 'rediss://r', tls: Object.fromEntries(files) } })
    return found.map((each) => each.replaceAll(`${folder}/`, ''))
  }

  test('files that exist and match are accepted', () => {
    expect(problems({ ca: 'ca.pem', cert: 'cert.pem', key: 'key.pem' })).toEqual([])
  })

  test('a file that is missing, is no PEM, or does not match the other is reported with its key', () => {
    expect(problems({ ca: 'nope.pem' })[0]).toMatch(/^store\.tls\.ca: nope\.pem cannot be read: /)
    expect(problems({ ca: 'key.pem' })).toEqual(['store.tls.ca: key.pem is not a PEM certificate'])
    const pair = problems({ cert: 'cert.pem', key: 'other-key.pem' })
    expect(pair).toEqual(['store.tls.key: other-key.pem is not the key of the certificate in cert.pem'])
    expect(problems({ cert: 'cert.pem' })).toEqual(['store.tls.key: is missing; a certificate needs its key'])
    expect(problems({ key: 'key.pem' })).toEqual(['store.tls.cert: is missing; a key needs its certificate'])
  })
})

describe('two tokens with one secret are refused, without repeating it:', () => {
  const token = 'geheim-geheim'
  const tokenHash = createHash('sha256').update(token).digest('hex')
  const tokens = (second: object) => [
    { name: 'ci', role: 'operate', token },
    { name: 'boss', role: 'admin', ...second },
  ]

  test.for<[string, object]>([
    ['as it is', { token }],
    ['one as its hash', { tokenHash }],
    ['in capitals', { tokenHash: `sha256:${tokenHash.toUpperCase()}` }],
  ])('%s', ([_how, second]) => {
    const problems = configProblemsOf({ admin: { tokens: tokens(second) } })
    expect(problems).toEqual([
      expect.stringMatching(/^admin\.tokens\[1\]: has the same secret as admin\.tokens\[0\]; /),
    ])
    expect(problems.join()).not.toContain(token)
  })

  test('the token of the fleet and one of a user', () => {
    const problems = configProblemsOf({ admin: { tokens: tokens({ token: 'another-one' }) }, fleet: { token } })
    expect(problems).toEqual([expect.stringMatching(/^fleet\.token: is the secret of admin\.tokens\[0\] as well; /)])
  })

  test('tokens without a secret are reported for that, and for nothing else', () => {
    const problems = configProblemsOf({ admin: { tokens: ['a', 'b'].map((name) => ({ name, role: 'read' })) } })
    const message = 'needs either token or tokenHash'
    expect(problems).toEqual([`admin.tokens[0]: ${message}`, `admin.tokens[1]: ${message}`])
  })
})

test('fleet and configVersion', () => {
  const config = configOf({ fleet: { name: 'edge-1', address: 'http://10.0.0.1:9900' }, configVersion: 7 })
  expect([config.fleet, config.configVersion]).toEqual([
    { name: 'edge-1', address: 'http://10.0.0.1:9900', token: null },
    7,
  ])
  expect(
    configProblemsOf({ fleet: { name: 'a b', address: '10.0.0.1:9900', token: 'short' }, configVersion: 1.5 }),
  ).toEqual([
    expect.stringContaining('configVersion: '),
    expect.stringContaining('fleet.name: expected a name without blanks'),
    expect.stringContaining('fleet.address: expected http://HOST:PORT'),
    expect.stringContaining('fleet.token: expected at least 8 characters'),
  ])
})

test.for<[unknown, string]>([
  ['redis://me:geheim@r:1/2', 'redis://me:(hidden)@r:1/2'],
  ['redis://:gehe@im@r', 'redis://:(hidden)@r'],
  ['redis://r?password=geheim', 'redis://r'],
])('%s is shown as %s', ([redis, url]) => {
  expect(shown(configOf({ store: { redis } }))).toMatchObject({ store: { redis: { url } } })
})

test('no password or token is shown', () => {
  const store = { redis: { sentinels: ['s'], name: 'm', password: 'geheim', sentinelPassword: 'geheim' } }
  const text = JSON.stringify(shown(configOf({ store, fleet: { token: 'geheim-geheim' } })))
  expect(text).not.toContain('geheim')
  expect(text).toContain('(hidden)')
})

test('the secret of the store is long enough, and never repeated', () => {
  expect(configProblemsOf({ store: { secret: 'too short' } })).toEqual([
    'store.secret: expected at least 16 ASCII characters',
  ])
  expect(configOf({ store: { secret: 'long enough to be one' } }).store.secret).toBe('long enough to be one')
})
