import { appendFile, chmod, rm } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { EventReader } from '../support/event-reader.ts'
import { until } from '../support/until.ts'
import { AUTHORITY, Edge } from './support.ts'

let edge: Edge
let events: EventReader
beforeAll(async () => {
  edge = await Edge.start({ proxy: { workers: 1 } })
  events = await EventReader.open(edge.cutover.admin, '', '?types=certificate.*')
})
afterAll(async () => {
  events.close()
  await edge.stop()
})
beforeEach(async () => {
  await edge.folder.put('localhost', AUTHORITY.issue())
  await until(async () => (await standing()).error === null && (await edge.reload()).status === 200)
})

async function standing() {
  return (await edge.cutover.api('GET', '/api/certificates')).body.certificates[0]
}

/** Lines of the log that say that files cannot be used. */
function complaints(): readonly string[] {
  return edge.cutover.stderr.split('\n').filter((line) => line.includes('what was in force before stays so'))
}

test.for<readonly [string, (edge: Edge) => Promise<unknown>, RegExp]>([
  [
    'a certificate of another key',
    ({ folder }) => folder.replace('localhost.pem', AUTHORITY.issue().cert),
    /localhost\.key is not the key of the certificate in .*localhost\.pem/,
  ],
  [
    'a key of another certificate',
    ({ folder }) => folder.replace('localhost.key', AUTHORITY.issue().key),
    /localhost\.key is not the key of the certificate in .*localhost\.pem/,
  ],
  ['no PEM', ({ folder }) => folder.replace('localhost.pem', 'garbage'), /localhost\.pem is not a PEM certificate/],
  ['an empty file', ({ folder }) => folder.replace('localhost.key', ''), /localhost\.key is not a PEM private key/],
  ['a missing file', ({ folder }) => rm(folder.files('localhost').cert), /localhost\.pem cannot be read: ENOENT/],
  [
    'a chain that is cut off',
    ({ folder }) => appendFile(folder.files('localhost').cert, AUTHORITY.cert.slice(0, 200)),
    /localhost\.pem ends in the middle of a certificate/,
  ],
  [
    'a large file',
    ({ folder }) => appendFile(folder.files('localhost').cert, ' '.repeat(2_000_000)),
    /localhost\.pem cannot be read: it has more than 1048576 bytes/,
  ],
])('%s changes nothing, and is said once: log, API, event, health and metrics', async ([, spoil, why]) => {
  const { cutover } = edge
  const before = await edge.fingerprint()
  const { failures } = await standing()
  const said = complaints().length
  await spoil(edge)
  const found = await until(async () => {
    const now = await standing()
    return now.error === null ? null : now
  })
  expect(found.error).toMatch(why)
  expect(found.failures).toBe(failures + 1)
  const refused = (await edge.reload()) as { status: number; body: { problems: { path: string; message: string }[] } }
  expect(refused.status).toBe(422)
  expect(refused.body.problems[0]?.path).toMatch(/^proxy\.listen\[0\]\.tls\.certificates\[0\]\.(cert|key)$/)
  expect(refused.body.problems[0]?.message).toMatch(why)
  const { parts } = (await cutover.api('GET', '/health')).body
  expect(parts.certificates).toMatchObject({ status: 'degraded', detail: expect.stringMatching(why) })
  const { body: metrics } = await cutover.api('GET', '/metrics')
  expect(metrics).toMatch(/^cutover_tls_certificate_refused\{.*\} 1$/m)
  await until(() => events.events.some(({ type, data }) => type === 'certificate.refused' && why.test(data.reason)))
  // Two more looks at the files.
  await new Promise((resolve) => setTimeout(resolve, 2_200))
  expect(complaints()).toHaveLength(said + 1)
  expect(await edge.fingerprint()).toBe(before)

  const count = events.events.length
  await edge.folder.put('localhost', AUTHORITY.issue())
  await until(async () => (await edge.fingerprint()) !== before)
  await until(() => events.events.slice(count).some(({ type }) => type === 'certificate.changed'))
  expect((await cutover.api('GET', '/health')).body.parts.certificates).toEqual({ status: 'ok', detail: null })
})

test('files that another user owns, and that become readable, are in force then', async () => {
  // The superuser may read everything.
  if (process.getuid?.() === 0) return
  const { cert } = edge.folder.files('localhost')
  await chmod(cert, 0)
  await until(async () => /EACCES/.test((await standing()).error ?? ''))
  await chmod(cert, 0o600)
  await until(async () => (await standing()).error === null)
})

test('a certificate that has expired is in force, and is said', async () => {
  const before = await edge.fingerprint({ rejectUnauthorized: false })
  await edge.folder.put('localhost', AUTHORITY.issue({ notAfter: new Date(Date.now() - 1_000) }))
  await until(async () => (await edge.fingerprint({ rejectUnauthorized: false })) !== before)
  await until(() => /localhost\.pem has expired \(.*\); clients refuse it/.test(edge.cutover.stderr))
  const { parts } = (await edge.cutover.api('GET', '/health')).body
  expect(parts.certificates.detail).toMatch(/localhost\.pem has expired/)
})

test('no key is ever shown', async () => {
  const seen = [edge.cutover.stderr, edge.cutover.stdout, JSON.stringify(events.events)]
  for (const path of ['/api/config', '/api/certificates', '/metrics', '/health', '/api/instances'])
    seen.push(JSON.stringify((await edge.cutover.api('GET', path)).body))
  expect(seen.join('')).toContain('localhost.key')
  expect(seen.join('')).not.toMatch(/PRIVATE KEY|BEGIN|MIGHAgEA/)
})
