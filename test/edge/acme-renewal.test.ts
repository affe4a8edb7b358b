import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { AcmeServer } from '../support/acme/acme-server.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { AcmeStage, type Ordered } from './acme-stage.ts'
import { AUTHORITY } from './support.ts'

let stage: AcmeStage | null = null
let load: Load | null = null
afterEach(async () => {
  await load?.stop()
  await stage?.stop()
  stage = null
  load = null
})

const DOMAIN = 'www.example.test'
/** Time until the next attempt, ms. */
const pauseOf = ({ nextTry }: Ordered): number => Date.parse(nextTry as string) - Date.now()

test('a certificate is renewed at two thirds of its life', async () => {
  stage = await AcmeStage.start({ lifeSeconds: 15 })
  const { acme } = stage
  const one = await stage.add(stage.options({ acme: stage.section([DOMAIN]) }))
  await stage.issued(one, DOMAIN)
  acme.lifeSeconds = 90 * 86_400
  const first = await one.ordered(DOMAIN)
  const due = Date.parse(first.nextRenewal as string)
  const life = Date.parse(first.notAfter as string) - due
  // The life begins when it is issued, and times in certificates are whole seconds.
  expect(life).toBeGreaterThan(4_900)
  expect(life).toBeLessThan(5_400)
  await until(() => acme.issued.length === 2)
  expect(Date.now()).toBeGreaterThan(due)
  const second = await one.until(DOMAIN, ({ notAfter }) => notAfter !== first.notAfter)
  expect(second).toMatchObject({ failures: 0, error: null, nextTry: null })
  expect(await stage.served(one.secure, DOMAIN)).toBe(`DNS:${DOMAIN}`)
  expect(one.cutover.stderr.match(/a certificate was issued/g)).toHaveLength(2)
})

test('a renewal that the server refuses: the old certificate stays, and it is asked again when it wants to be', async () => {
  stage = await AcmeStage.start()
  const { acme } = stage
  const one = await stage.add(stage.options({ acme: stage.section([DOMAIN]) }))
  await stage.issued(one, DOMAIN)
  const before = await one.ordered(DOMAIN)
  acme.failing.set('newOrder', { status: 429, type: 'rateLimited', detail: 'too\n many', retryAfter: '90000' })
  await one.cutover.api('POST', '/api/certificates/renew')
  const failed = await one.until(DOMAIN, ({ error }) => error !== null)
  expect(failed).toMatchObject({ failures: 1, error: 'too many (rateLimited)', notAfter: before.notAfter })
  expect(pauseOf(failed)).toBeGreaterThan(89_900_000)
  expect(await stage.served(one.secure, DOMAIN)).toBe(`DNS:${DOMAIN}`)
  const { detail } = (await one.cutover.api('GET', '/health')).body.parts.certificates
  expect(detail).toMatch(/^the certificate of www\.example\.test is not renewed: too many \(rateLimited\); next try at/)
  const { body: metrics } = await one.cutover.api('GET', '/metrics')
  expect(metrics).toMatch(/^cutover_acme_orders_total\{outcome="rateLimited"\} 1$/m)
  expect(metrics).toMatch(/^cutover_acme_failures\{domain="www\.example\.test"\} 1$/m)
})

test('a name that cannot be proven costs an hour, and twice as much the next time; a restart does not forget', async () => {
  stage = await AcmeStage.start()
  const { acme, folder } = stage
  // Nobody is there.
  acme.whereIs = () => 1
  const certificates = [await folder.put('localhost', AUTHORITY.issue())]
  const dataPath = `${folder.path}/data`
  const options = stage.options({ certificates, acme: stage.section([DOMAIN]) }, { dataPath })
  const one = await stage.add(options)
  load = new Load({ url: `https://127.0.0.1:${one.secure}`, clients: 5, names: ['upstream'], ca: AUTHORITY.cert })
  const failed = await one.until(DOMAIN, ({ error }) => error !== null)
  expect(failed.error).toMatch(/ECONNREFUSED.*\(connection\)$/)
  expect(pauseOf(failed)).toBeGreaterThan(3_590_000)
  expect(pauseOf(failed)).toBeLessThan(3_960_000)
  await load.more(50)
  const { failures, completed } = await load.stop()
  expect([failures, completed > 50]).toEqual([{}, true])
  await one.cutover.stop()
  const again = await stage.add(options)
  await sleep(2_500)
  expect(await again.ordered(DOMAIN)).toMatchObject({ failures: 1, nextTry: failed.nextTry })
  expect(acme.count('newOrder')).toBe(1)
  await again.cutover.api('POST', '/api/certificates/renew', { domain: DOMAIN })
  const twice = await again.until(DOMAIN, (each) => each.failures === 2)
  expect(pauseOf(twice)).toBeGreaterThan(7_190_000)
  expect(acme.count('newOrder')).toBe(2)
})

test('a server that is away is asked again after a minute, once for all names', async () => {
  stage = await AcmeStage.start()
  await stage.acme.stop()
  const domains = ['a.example.test', 'b.example.test', 'c.example.test']
  const one = await stage.add(stage.options({ acme: stage.section(domains) }))
  const failed = await until(async () => {
    const all = await Promise.all(domains.map((domain) => one.ordered(domain)))
    return all.every(({ error }) => error !== null) ? all : null
  })
  for (const each of failed) expect(each.error).toMatch(/^localhost:\d+ cannot be reached: ECONNREFUSED$/)
  expect(failed.map(({ failures }) => failures).toSorted()).toEqual([0, 0, 1])
  for (const each of failed) {
    expect(pauseOf(each)).toBeGreaterThan(50_000)
    expect(pauseOf(each)).toBeLessThan(67_000)
  }
})

test('names that a reload adds are ordered, those that it removes are not served; two listeners share a certificate', async () => {
  stage = await AcmeStage.start()
  const { acme } = stage
  const set = stage
  const optionsFor = (...domains: string[]) => {
    const tls = { acme: set.section(domains) }
    const listen = [
      { address: '127.0.0.1:0', tls },
      '127.0.0.1:0',
      { address: '127.0.0.1:0', tls, proxyProtocol: false },
    ]
    return set.options(tls, { proxy: { listen } })
  }
  const one = await stage.add(optionsFor('a.example.test'))
  await stage.issued(one, 'a.example.test')
  const [, , third = ''] = /ready: proxy (\S+) (\S+) (\S+),/.exec(one.cutover.stdout)?.slice(1) ?? []
  expect(await stage.served(Number(new URL(third).port), 'a.example.test')).toBe('DNS:a.example.test')
  const { body } = await one.cutover.api('GET', '/api/certificates')
  expect([body.certificates.length, body.acme.length, body.acme[0].listeners.length]).toEqual([2, 1, 2])

  await one.cutover.configure(optionsFor('b.example.test', 'c.example.test'))
  expect((await one.cutover.api('POST', '/api/config/reload')).body.needRestart).toEqual([])
  for (const domain of ['b.example.test', 'c.example.test']) await stage.issued(one, domain)
  expect(await stage.served(one.secure, 'a.example.test')).not.toBe('DNS:a.example.test')
  // One that comes back is still there.
  await one.cutover.configure(optionsFor('a.example.test'))
  await one.cutover.api('POST', '/api/config/reload')
  expect(await stage.served(one.secure, 'a.example.test')).toBe('DNS:a.example.test')
  await sleep(1_500)
  expect(acme.issued).toEqual(['a.example.test', 'b.example.test', 'c.example.test'])
})

test('with another server, the old certificate is served until there is a new one', async () => {
  stage = await AcmeStage.start()
  const other = await AcmeServer.start({}, stage.acme.authority)
  try {
    const one = await stage.add(stage.options({ acme: stage.section([DOMAIN]) }))
    await stage.issued(one, DOMAIN)
    const fingerprint = async () => (await one.cutover.api('GET', '/api/certificates')).body.certificates[0].fingerprint
    const first = await fingerprint()
    other.whereIs = () => one.plain
    other.failing.set('newAccount', { status: 500, type: 'serverInternal', detail: 'not yet' })
    await one.cutover.configure(stage.options({ acme: stage.section([DOMAIN], { directory: other.directory }) }))
    expect((await one.cutover.api('POST', '/api/config/reload')).status).toBe(200)
    await one.until(DOMAIN, ({ error }) => error === 'not yet (serverInternal)')
    expect([await fingerprint(), await stage.served(one.secure, DOMAIN)]).toEqual([first, `DNS:${DOMAIN}`])
    other.failing.clear()
    await one.cutover.api('POST', '/api/certificates/renew')
    await until(async () => (await fingerprint()) !== first)
    expect([stage.acme.issued, other.issued]).toEqual([[DOMAIN], [DOMAIN]])
  } finally {
    await other.stop()
  }
})

test('what a server says that makes no sense is a failure as others are', async () => {
  stage = await AcmeStage.start({ offers: ['dns-01'] })
  const one = await stage.add(stage.options({ acme: stage.section([DOMAIN]) }))
  const failed = await one.until(DOMAIN, ({ error }) => error !== null)
  expect(failed.error).toBe('the server does not offer http-01, but: dns-01')
  expect(pauseOf(failed)).toBeGreaterThan(3_590_000)
  expect((await one.cutover.api('POST', '/api/certificates/renew', { domain: 'other.test' })).status).toBe(404)
})
