import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Authority } from '../support/issue-certificate.ts'
import { configOf, configProblemsOf } from './support.ts'

const AUTHORITY = new Authority()
let folder: string
let files: { readonly cert: string; readonly key: string }
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cutover-listeners-'))
  files = put('good', AUTHORITY.issue())
  writeFileSync(join(folder, 'ca.pem'), AUTHORITY.cert)
})
afterAll(() => rmSync(folder, { recursive: true }))

function put(name: string, { cert, key }: { readonly cert: string; readonly key: string }) {
  const paths = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) }
  writeFileSync(paths.cert, cert)
  writeFileSync(paths.key, key)
  return paths
}

function problemsOf(listen: unknown): readonly string[] {
  return configProblemsOf({ proxy: { listen } })
}

test('TLS with its defaults', () => {
  const { proxy } = configOf({ proxy: { listen: { address: ':8443', tls: { certificates: [files] } } } })
  expect(proxy.listen).toEqual([
    {
      kind: 'tcp',
      host: '',
      port: 8443,
      tls: { certificates: [files], acme: null, minVersion: '1.2', clientAuth: null, alpn: ['h2', 'http/1.1'] },
    },
  ])
})

test('everything that can be said', () => {
  const { proxy } = configOf({
    proxy: {
      trustedProxies: ['10.0.0.0/8'],
      listen: [
        {
          address: '127.0.0.1:8443',
          proxyProtocol: true,
          tls: {
            certificates: [files],
            minVersion: 1.3,
            clientAuth: { ca: join(folder, 'ca.pem') },
            alpn: ['http/1.1'],
          },
          http3: 'no',
        },
        { address: '127.0.0.1:8080', redirectToHttps: true },
        { address: '127.0.0.1:8081', redirectToHttps: { port: 8443 } },
        { address: '127.0.0.1:8082', redirectToHttps: false, http3: false },
      ],
    },
  })
  const [secure, ...plain] = proxy.listen
  expect(secure).toMatchObject({
    proxyProtocol: true,
    tls: { minVersion: '1.3', clientAuth: { ca: join(folder, 'ca.pem'), require: true } },
  })
  expect(plain.map(({ redirectToHttps }) => redirectToHttps)).toEqual([
    { port: 443, status: 308 },
    { port: 8443, status: 308 },
    undefined,
  ])
})

test.each<[string, () => unknown, readonly RegExp[]]>([
  ['no certificate', () => ({ certificates: [] }), [/^proxy\.listen\.tls: needs certificates, or acme to order them$/]],
  ['nothing', () => ({}), [/^proxy\.listen\.tls: needs certificates, or acme to order them$/]],
  [
    'an old version',
    () => ({ certificates: [files], minVersion: '1.1' }),
    [/^proxy\.listen\.tls\.minVersion: expected "1\.2" or "1\.3"; older versions are not safe, got "1\.1"$/],
  ],
  [
    'another protocol',
    () => ({ certificates: [files], alpn: ['h3'] }),
    [/^proxy\.listen\.tls\.alpn\[0\]: expected h2 or http\/1\.1/],
  ],
  [
    'files that are not there',
    () => ({ certificates: [files, { cert: '/nowhere/a.pem', key: '/nowhere/a.key' }] }),
    [
      /^proxy\.listen\.tls\.certificates\[1\]\.cert: \/nowhere\/a\.pem cannot be read: .*ENOENT/,
      /^proxy\.listen\.tls\.certificates\[1\]\.key: \/nowhere\/a\.key cannot be read: .*ENOENT/,
    ],
  ],
  [
    'a folder',
    () => ({ certificates: [{ cert: folder, key: files.key }] }),
    [/^proxy\.listen\.tls\.certificates\[0\]\.cert: .* cannot be read: it is not a regular file$/],
  ],
  [
    'a key of another certificate',
    () => ({ certificates: [{ cert: files.cert, key: put('other', AUTHORITY.issue()).key }] }),
    [/^proxy\.listen\.tls\.certificates\[0\]\.key: .*other\.key is not the key of the certificate in .*good\.pem$/],
  ],
  [
    'a certificate twice',
    () => ({ certificates: [files, files] }),
    [/^proxy\.listen\.tls\.certificates\[1\]\.cert: is that of proxy\.listen\.tls\.certificates\[0\] as well$/],
  ],
  [
    'authorities that are none',
    () => ({ certificates: [files], clientAuth: { ca: files.key } }),
    [/^proxy\.listen\.tls\.clientAuth\.ca: .*good\.key is not a PEM certificate$/],
  ],
  ['an unknown key', () => ({ certificates: [files], cipher: 'x' }), [/^proxy\.listen\.tls\.cipher: unknown key/]],
])('%s is refused', (_, tls, problems) => {
  const found = problemsOf({ address: '127.0.0.1:8443', tls: tls() })
  expect(found).toHaveLength(problems.length)
  for (const [i, problem] of problems.entries()) expect(found[i]).toMatch(problem)
  for (const line of found) expect(line).not.toContain('BEGIN')
})

test('an expired certificate is no problem for the check: it would keep everything else from starting', () => {
  const expired = put('expired', AUTHORITY.issue({ notAfter: new Date(Date.now() - 1_000) }))
  expect(problemsOf({ address: '127.0.0.1:8443', tls: { certificates: [expired] } })).toEqual([])
})

test.each([
  [{ address: ':80', http3: true }, 'proxy.listen.http3: HTTP/3 is not available; leave it out, or write no, got true'],
  [
    { address: ':80', redirectToHttps: 443 },
    'proxy.listen.redirectToHttps: expected true, false, or {port, status}, got 443',
  ],
  [
    { address: ':80', redirectToHttps: { status: 303 } },
    'proxy.listen.redirectToHttps.status: expected 301, 302, 307 or 308, got 303',
  ],
  [
    { address: ':80', redirectToHttps: { port: 0 } },
    'proxy.listen.redirectToHttps.port: expected a whole number from 1 to 65535, got 0',
  ],
])('%j is refused', (listen, problem) => {
  expect(problemsOf(listen)).toEqual([problem])
})

test('a redirect needs a listener without TLS', () => {
  expect(problemsOf({ address: ':443', tls: { certificates: [files] }, redirectToHttps: true })).toEqual([
    'proxy.listen.redirectToHttps: is for a listener without tls; leave it out',
  ])
})

test('the admin API has neither TLS nor PROXY headers', () => {
  const problems = configProblemsOf({ admin: { listen: { address: '127.0.0.1:9900', tls: {}, proxyProtocol: true } } })
  expect(problems.map((line) => line.split(';')[0])).toEqual([
    'admin.listen.tls: unknown key "tls" (known: address, mode)',
    'admin.listen.proxyProtocol: unknown key "proxyProtocol" (known: address, mode)',
  ])
})
