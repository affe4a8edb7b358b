import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { acmeRemarks } from '../../src/config/acme-remarks.ts'
import { configOf, configProblemsOf } from './support.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-acme-'))
  writeFileSync(join(folder, 'ca.pem'), 'no PEM')
})
afterAll(() => rmSync(folder, { recursive: true }))

const ACME = { email: 'ops@example.com', domains: ['www.example.com'] }
const secure = (acme: object, address = ':443') => ({ address, tls: { acme } })
const problemsOf = (listen: unknown): readonly string[] => configProblemsOf({ proxy: { listen } })
const remarksOf = (listen: unknown, store: object = {}): readonly string[] =>
  acmeRemarks(configOf({ proxy: { listen }, store }))

test('the defaults: the server of Let’s Encrypt, http-01, ECDSA', () => {
  const [listener] = configOf({ proxy: { listen: secure({ ...ACME, domains: ['WWW.example.com', 'größe.example'] }) } })
    .proxy.listen
  expect(listener?.tls).toMatchObject({
    certificates: [],
    acme: {
      email: 'ops@example.com',
      directory: 'https://acme-v02.api.letsencrypt.org/directory',
      domains: ['www.example.com', 'xn--gre-6ka8i.example'],
      challenge: 'http-01',
      ca: null,
      keyType: 'ecdsa',
      profile: '',
    },
  })
})

test.each<[object, RegExp]>([
  [
    { ...ACME, domains: ['*.example.com'] },
    /^proxy\.listen\.tls\.acme\.domains\[0\]: expected a host name.*no wildcard/,
  ],
  [{ ...ACME, domains: ['10.0.0.1'] }, /domains\[0\]: expected a host name/],
  [{ ...ACME, domains: ['a_b.example.com'] }, /domains\[0\]: expected a host name/],
  [{ ...ACME, domains: [] }, /domains/],
  [{ ...ACME, domains: ['a.test', 'b.test', 'A.test'] }, /domains\[2\]: a\.test stands twice/],
  [{ ...ACME, email: 'ops' }, /email: expected an e-mail address/],
  [{ domains: ['a.test'] }, /email/],
  [{ ...ACME, directory: 'http://acme.test/' }, /directory: expected an https:\/\/ URL/],
  [{ ...ACME, directory: 'https://user:secret@acme.test/' }, /directory: expected an https:\/\/ URL without user/],
  [{ ...ACME, challenge: 'dns-01' }, /challenge: expected http-01 or tls-alpn-01/],
  [{ ...ACME, keyType: 'ed25519' }, /keyType: expected ecdsa or rsa/],
  [{ ...ACME, ca: '/nowhere/ca.pem' }, /acme\.ca: \/nowhere\/ca\.pem cannot be read/],
])('%j is refused', (acme, problem) => {
  expect(problemsOf(secure(acme)).join('\n')).toMatch(problem)
})

test('a file of authorities that has none is refused, and TLS without any certificate', () => {
  const ca = join(folder, 'ca.pem')
  expect(problemsOf(secure({ ...ACME, ca })).join()).toMatch(/acme\.ca: \S+ca\.pem is not a PEM certificate/)
  expect(problemsOf({ address: ':443', tls: {} })).toEqual([
    'proxy.listen.tls: needs certificates, or acme to order them',
  ])
})

test('two listeners may have a name in common if they order it alike', () => {
  expect(problemsOf([secure(ACME), secure({ ...ACME, domains: [...ACME.domains, 'b.test'] }, ':8443')])).toEqual([])
  expect(problemsOf([secure(ACME), secure({ ...ACME, challenge: 'tls-alpn-01' }, ':8443')])).toEqual([
    'proxy.listen[1].tls.acme.domains[0]: www.example.com is ordered by proxy.listen[0].tls.acme as well, which differs; make them the same beside domains',
  ])
})

test('what may keep certificates from being issued is noted', () => {
  expect(remarksOf('127.0.0.1:8080')).toEqual([])
  expect(remarksOf([secure(ACME), ':80'])).toEqual([])
  expect(remarksOf(secure(ACME))).toEqual([
    expect.stringMatching(/http-01 needs a listener without tls.*there is none/),
  ])
  expect(remarksOf([secure(ACME), ':8080'])).toEqual([
    expect.stringMatching(/port 80, and no listener without tls has it/),
  ])
  expect(remarksOf([secure(ACME), 'fd:3'])).toEqual([])
  const alpn = { ...ACME, challenge: 'tls-alpn-01' }
  expect(remarksOf(secure(alpn))).toEqual([])
  expect(remarksOf(secure(alpn, ':8443'))).toEqual([expect.stringMatching(/port 443, and no listener with tls has it/)])
  expect(remarksOf([secure({ ...ACME, domains: ['intranet'] }), ':80'])).toEqual([
    expect.stringMatching(/intranet: only a private ACME server issues for a name without a dot/),
  ])
  const redis = 'redis://127.0.0.1'
  expect(remarksOf([secure(ACME), ':80'], { redis })).toEqual([
    expect.stringMatching(/private keys .* in Redis in plain text; set store\.secret/),
  ])
  expect(remarksOf([secure(ACME), ':80'], { redis, secret: 'sixteen characters' })).toEqual([])
})
