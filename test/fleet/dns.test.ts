import { afterAll, expect, test } from 'vitest'
import { Cutover } from '../support/cutover.ts'
import type { DnsServer } from '../support/dns-server.ts'
import { atEnd } from '../support/endings.ts'
import { RedisServer } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { App, dnsServer, serversOf, serviceOf, upIn } from '../traffic/dns-support.ts'
import { ask, holding } from '../traffic/support.ts'

const [A, B] = ['127.0.6.1', '127.0.6.2'] as const

let redis: RedisServer | null = null
afterAll(() => redis?.stop())

/** An instance that looks names up at a DNS server of its own. */
async function instance(name: string, dns: DnsServer, services: object): Promise<Cutover> {
  redis ??= await RedisServer.start()
  const cutover = await Cutover.start({
    services,
    dns: { servers: [dns.address], timeout: '300ms' },
    store: { redis: redis.url },
    fleet: { name },
  })
  atEnd(() => cutover.stop('SIGKILL'))
  return cutover
}

test('the drain of a name waits for an address that only another instance knows', { timeout: 60_000 }, async () => {
  const [dnsOfA, dnsOfB, app] = [await dnsServer(), await dnsServer(), await App.start(A)]
  const { handler, held, release } = holding()
  await app.add(B, handler)
  dnsOfA.records.set('web.test', [A])
  dnsOfB.records.set('web.test', [A, B])
  const services = { shop: serviceOf({ web: `http://web.test:${app.port}` }, { minReady: 0 }) }
  const a = await instance('a', dnsOfA, services)
  const b = await instance('b', dnsOfB, services)
  await until(async () => (await upIn(b)).length === 2, 40_000)
  expect(await upIn(a)).toEqual([`web@${A}`])
  expect((await a.api('GET', '/api/instances')).body.instances).toHaveLength(2)

  const pending = [ask(b), ask(b)]
  await until(() => held.length === 1)
  const early = await a.api('POST', '/api/servers/web/drain?wait=1s')
  expect([early.status, early.body.drained]).toEqual([504, undefined])
  expect(early.body.missing.underWay).toEqual([{ name: 'web', inFlight: 1, at: ['b'] }])
  // It is shown here as a server that others still have.
  expect((await serversOf(a))[`web@${B}`]).toMatchObject({ state: 'leaving', inFlight: 1 })
  const pool = async () => (await a.api('GET', '/api/services/shop')).body.pools[0]
  expect((await pool()).drained).toBe(false)
  release()
  await Promise.all(pending)
  const late = await a.api('POST', '/api/servers/web/drain?wait=20s')
  expect([late.status, late.body.drained]).toEqual([200, ['web']])
})
