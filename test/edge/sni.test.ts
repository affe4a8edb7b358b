import { X509Certificate } from 'node:crypto'
import { afterEach, expect, test } from 'vitest'
import { CertificateNames } from '../../src/edge/certificate-names.ts'
import { AUTHORITY, Edge } from './support.ts'

let edge: Edge | null = null
afterEach(async () => {
  await edge?.stop()
  edge = null
})

test.each([
  ['shop.test', 'exact'],
  ['SHOP.test', 'exact'],
  ['a.shop.test', 'wildcard'],
  ['b.shop.test', 'exact b'],
  ['a.b.shop.test', undefined],
  ['.shop.test', undefined],
  ['other.test', undefined],
  ['', undefined],
  ['*.shop.test', 'wildcard'],
])('the certificate for %j is %j', (name, found) => {
  const names = new CertificateNames([
    { names: ['*.shop.test'], value: 'wildcard' },
    { names: ['shop.test'], value: 'exact' },
    { names: ['b.shop.test', 'shop.test'], value: 'exact b' },
  ])
  expect(names.find(name)).toBe(found)
})

test('the name that a client asks for chooses its certificate: exact, wildcard, or else the first one', async () => {
  edge = await Edge.start()
  const pairs = {
    wildcard: AUTHORITY.issue({ names: ['*.shop.test'] }),
    exact: AUTHORITY.issue({ names: ['www.shop.test'] }),
    commonName: AUTHORITY.issue({ names: [], commonName: 'old.test' }),
  }
  const { folder } = edge
  const files = [folder.files('localhost')]
  for (const [name, pair] of Object.entries(pairs)) files.push(await folder.put(name, pair))
  const answer = await edge.reload((listen) => [{ ...listen[0], tls: { certificates: files } }])
  expect(answer).toMatchObject({ status: 200, body: { needRestart: [] } })
  const first = await edge.fingerprint()
  const fingerprintOf = ({ cert }: { cert: string }) => new X509Certificate(cert).fingerprint256
  const asked = { rejectUnauthorized: false }
  expect(await edge.fingerprint({ servername: 'www.shop.test' })).toBe(fingerprintOf(pairs.exact))
  expect(await edge.fingerprint({ servername: 'api.shop.test' })).toBe(fingerprintOf(pairs.wildcard))
  expect(await edge.fingerprint({ servername: 'old.test', ...asked })).toBe(fingerprintOf(pairs.commonName))
  expect(await edge.fingerprint({ servername: 'other.test', ...asked })).toBe(first)
  expect(await edge.fingerprint({ servername: '', ...asked })).toBe(first)
})
