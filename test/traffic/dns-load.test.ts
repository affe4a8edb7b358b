import { expect, test } from 'vitest'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { App, dnsServer, serversOf, startWith, upIn } from './dns-support.ts'

const addressesOf = (first: number, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `127.0.2.${first + i}`)

test('addresses come, go, flap and vanish under load: no request is lost', { timeout: 120_000 }, async () => {
  const all = addressesOf(1, 6)
  const [a = '', b = '', c = '', d = '', e = '', f = ''] = all
  const [dns, app] = [await dnsServer(), await App.start(...all)]
  dns.records.set('web.test', [a, b])
  const cutover = await startWith(
    dns,
    { web: `http://web.test:${app.port}` },
    {},
    { proxy: { workers: 2, accessLog: 'off' } },
  )
  const load = new Load({ url: cutover.proxy, clients: 24, names: all })
  const settled = async (names: readonly string[]): Promise<void> => {
    const wanted = names.map((each) => `web@${each}`).toSorted()
    await until(async () => JSON.stringify(await upIn(cutover)) === JSON.stringify(wanted), 40_000)
    await load.more(500)
  }
  // All change at once, twice; one after the other; some flap; none are left; the server fails; all are there.
  for (const next of [[c, d], [a, b], [b, c], [c, d], [d, e], [d], [d, e], [d], all]) {
    dns.records.set('web.test', next)
    await settled(next)
  }
  dns.records.delete('web.test')
  await until(async () => (await serversOf(cutover))[`web@${f}`]?.dns?.problem !== null, 40_000)
  await load.more(500)
  dns.failures.set('web.test', 'servfail')
  await until(async () => (await serversOf(cutover))[`web@${f}`]?.dns?.problem === 'the DNS server fails', 40_000)
  await load.more(500)
  dns.failures.delete('web.test')
  dns.records.set('web.test', [e, f])
  await settled([e, f])
  const { failed, failures, completed, answers } = await load.stop()
  expect([failed, failures]).toEqual([0, {}])
  expect(completed).toBeGreaterThan(5_000)
  expect(Object.keys(answers).toSorted()).toEqual(all)
})

test('servers that end as soon as they have no requests any more: no request is lost', {
  timeout: 120_000,
}, async () => {
  const all = addressesOf(11, 8)
  const [dns, app] = [await dnsServer(), await App.start(...all.slice(0, 2))]
  dns.records.set('web.test', all.slice(0, 2))
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` }, {}, { proxy: { workers: 2 } })
  const load = new Load({ url: cutover.proxy, clients: 16, names: all })
  for (let i = 2; i < all.length; i++) {
    const [leaving = '', staying = '', coming = ''] = all.slice(i - 2)
    await app.add(coming)
    dns.records.set('web.test', [staying, coming])
    await until(async () => (await upIn(cutover)).includes(`web@${coming}`), 40_000)
    const view = async () => (await serversOf(cutover))[`web@${leaving}`]
    await until(async () => {
      const { body } = await cutover.api('GET', '/api/services/shop/explain')
      const server = body.servers.find(({ name }: { name: string }) => name === `web@${leaving}`)
      return server?.may === false && (await view())?.inFlight === 0
    }, 40_000)
    await app.remove(leaving)
    await load.more(300)
  }
  const { failed, failures } = await load.stop()
  expect([failed, failures]).toEqual([0, {}])
})

test('a name with 50 addresses: each is checked and gets its share', { timeout: 60_000 }, async () => {
  const all = addressesOf(101, 50)
  const [dns, app] = [await dnsServer(), await App.start(...all)]
  dns.records.set('web.test', all)
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` }, {}, { proxy: { workers: 1 } })
  await until(async () => (await upIn(cutover)).length === 50, 40_000)
  const load = new Load({ url: cutover.proxy, clients: 10, names: all, requests: 1_000 })
  const { failed, answers } = await load.done
  expect(failed).toBe(0)
  expect(Object.values(answers)).toEqual(Array.from({ length: 50 }, () => 20))
  dns.records.set('web.test', all.slice(0, 25))
  await until(async () => (await upIn(cutover)).length === 25, 40_000)
})
