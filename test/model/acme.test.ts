import { expect, test } from 'vitest'
import { sealProblem } from '../../src/control/sealed-documents.ts'
import {
  ACME_ACCOUNTS,
  ACME_CERTIFICATES,
  ACME_ORDERS,
  type AcmeCertificate,
  type AcmeOrder,
  acmeAccountName,
  acmeCertificatesFor,
  acmeDueAt,
  acmeName,
} from '../../src/model/acme.ts'
import { putDocument } from '../../src/model/document-kind.ts'
import { SecretBox } from '../../src/model/secret-box.ts'
import { applyChange, type Change, type Documents, EMPTY_DOCUMENTS } from '../../src/model/state.ts'

const [DOMAIN, DIRECTORY] = ['a.test', 'https://acme.test/directory']
const NAME = acmeName(DOMAIN, DIRECTORY)

function after(documents: Documents, collections: NonNullable<Change['collections']>): Documents {
  return applyChange(documents, { revision: documents.revision + 1, at: '', services: {}, collections, history: [] })
}

const certificate = (given: Partial<AcmeCertificate> = {}): AcmeCertificate => ({
  ...{ domain: DOMAIN, directory: DIRECTORY, cert: 'cert', key: 'key' },
  ...{ notAfterMs: 900, issuedAtMs: 0, renewAtMs: 600 },
  ...given,
})
const order = (given: Partial<AcmeOrder> = {}): AcmeOrder => ({
  ...{ domain: DOMAIN, directory: DIRECTORY, order: null, failures: 0 },
  ...{ retryAtMs: null, error: null, isWanted: false },
  ...given,
})

test('an order is due at once, at the renewal, when it was begun or is wanted, and never before the next attempt', () => {
  expect(acmeDueAt(EMPTY_DOCUMENTS, DOMAIN, DIRECTORY)).toBe(0)
  const issued = after(EMPTY_DOCUMENTS, putDocument(ACME_CERTIFICATES, NAME, certificate(), 1))
  expect(acmeDueAt(issued, DOMAIN, DIRECTORY)).toBe(600)
  expect(acmeDueAt(issued, DOMAIN, 'https://other.test/directory')).toBe(0)
  const dueWith = (given: Partial<AcmeOrder>): number =>
    acmeDueAt(after(issued, putDocument(ACME_ORDERS, NAME, order(given), 2)), DOMAIN, DIRECTORY)
  expect(dueWith({ isWanted: true })).toBe(0)
  expect(dueWith({ order: { url: 'u', key: 'k', startedAtMs: 0 } })).toBe(0)
  expect(dueWith({ failures: 1, retryAtMs: 500 })).toBe(600)
  expect(dueWith({ failures: 1, retryAtMs: 700 })).toBe(700)
  const account = { directory: DIRECTORY, email: 'a@b', url: null, key: 'k', failures: 1, retryAtMs: 800, error: '' }
  const away = after(issued, putDocument(ACME_ACCOUNTS, acmeAccountName(DIRECTORY), account, 2))
  expect(acmeDueAt(away, DOMAIN, DIRECTORY)).toBe(800)
})

test('documents of a newer version are left alone', () => {
  const newer = { [ACME_CERTIFICATES.collection]: { [NAME]: { revision: 1, value: { chain: [] } } } }
  expect(acmeDueAt(after(EMPTY_DOCUMENTS, newer), DOMAIN, DIRECTORY)).toBe(Number.POSITIVE_INFINITY)
})

test('a certificate of another server is used only while there is none of this one', () => {
  const others = ['https://x.test/', 'https://y.test/'].map((directory, i) =>
    certificate({ directory, notAfterMs: 100 + i }),
  )
  let documents = EMPTY_DOCUMENTS
  for (const each of others)
    documents = after(documents, putDocument(ACME_CERTIFICATES, acmeName(DOMAIN, each.directory), each, 1))
  expect(acmeCertificatesFor(documents, DOMAIN, DIRECTORY).map(({ notAfterMs }) => notAfterMs)).toEqual([101, 100])
  expect(acmeCertificatesFor(documents, 'b.test', DIRECTORY)).toEqual([])
  documents = after(documents, putDocument(ACME_CERTIFICATES, NAME, certificate(), 1))
  expect(acmeCertificatesFor(documents, DOMAIN, DIRECTORY).map(({ notAfterMs }) => notAfterMs)).toEqual([900])
})

test.each([
  [ACME_ACCOUNTS.collection, (key: string) => ({ key })],
  [ACME_CERTIFICATES.collection, (key: string) => ({ key })],
  [ACME_ORDERS.collection, (key: string) => ({ order: { key } })],
])('keys in %s that cannot be decrypted are found', (collection, value) => {
  const key = new SecretBox('a secret of sixteen or more').seal('KEY', collection)
  const documents = after(EMPTY_DOCUMENTS, { [collection]: { x: { revision: 1, value: value(key) } } })
  expect(sealProblem(documents, new SecretBox('a secret of sixteen or more'))).toBeNull()
  expect(sealProblem(documents, new SecretBox('another secret of sixteen'))).toMatch(
    `${collection}/x in the store cannot be`,
  )
  expect(sealProblem(documents, new SecretBox(''))).toMatch(/is encrypted, and store\.secret is not set/)
})
