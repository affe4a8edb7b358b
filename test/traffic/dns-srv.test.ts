import { expect, test } from 'vitest'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { App, dnsServer, serversOf, startWith, upIn } from './dns-support.ts'
import { ask } from './support.ts'

const NAME = '_http._tcp.web.test'
const [A, B, C] = ['127.0.3.1', '127.0.3.2', '127.0.3.3'] as const

test('targets with ports and weights are servers; those of a later priority are backups', async () => {
  const dns = await dnsServer()
  const [one, two] = [await App.start(A), await App.start(B, C)]
  dns.records.set('a.test', [A]).set('b.test', [B]).set('c.test', [C])
  const record = (target: string, { port }: App, priority: number, weight: number) => ({
    target,
    port,
    priority,
    weight,
  })
  dns.services.set(NAME, [record('a.test', one, 1, 3), record('b.test', two, 1, 1), record('c.test', two, 2, 1)])
  const cutover = await startWith(dns, { web: `srv://${NAME}` }, { dns: { refresh: '1s' } })
  const [nameA, nameB, nameC] = [`web@${A}:${one.port}`, `web@${B}:${two.port}`, `web@${C}:${two.port}`]
  expect(await upIn(cutover)).toEqual([nameA, nameB, nameC].toSorted())
  expect(await serversOf(cutover)).toMatchObject({
    [nameA]: { url: `http://${A}:${one.port}`, weight: 3, dns: { name: NAME, server: 'web' } },
    [nameB]: { weight: 1 },
    [nameC]: { backup: true },
  })
  const load = new Load({ url: cutover.proxy, clients: 4, names: [A, B, C], requests: 400 })
  expect(await load.done).toMatchObject({ failed: 0, answers: { [A]: 300, [B]: 100 } })

  // The servers of the first priority go down: the backup serves.
  one.at(A).health = 503
  two.at(B).health = 503
  await until(async () => (await upIn(cutover)).length === 1)
  await until(async () => (await ask(cutover)).body === C)

  // A weight changes, for the same servers.
  one.at(A).health = 200
  two.at(B).health = 200
  dns.services.set(NAME, [record('a.test', one, 1, 1), record('b.test', two, 1, 4), record('c.test', two, 2, 1)])
  await until(async () => (await serversOf(cutover))[nameB]?.weight === 4, 40_000)
  await until(async () => (await upIn(cutover)).length === 3)
})

test('a weight that people set for the name scales those of the records; one for a server replaces it', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('a.test', [A]).set('b.test', [B])
  dns.services.set(NAME, [
    { target: 'a.test', port: app.port, weight: 2 },
    { target: 'b.test', port: app.port, weight: 5 },
  ])
  const cutover = await startWith(dns, { web: `srv://${NAME}` })
  const weights = async () => Object.values(await serversOf(cutover)).map(({ weight }) => weight)
  await cutover.api('PATCH', '/api/servers/web', { weight: 10 })
  expect(await weights()).toEqual([20, 50])
  await cutover.api('PATCH', `/api/servers/web@${A}:${app.port}`, { weight: 7 })
  expect(await weights()).toEqual([7, 50])
})

test('targets change under load: no request is lost', { timeout: 60_000 }, async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B, C)]
  dns.records.set('a.test', [A]).set('b.test', [B]).set('c.test', [C])
  const set = (...hosts: string[]) =>
    dns.services.set(
      NAME,
      hosts.map((target) => ({ target, port: app.port })),
    )
  set('a.test')
  const cutover = await startWith(dns, { web: `srv://${NAME}` }, {}, { proxy: { workers: 2 } })
  const load = new Load({ url: cutover.proxy, clients: 16, names: [A, B, C] })
  const settled = async (...addresses: string[]) => {
    const wanted = addresses.map((each) => `web@${each}:${app.port}`)
    await until(async () => JSON.stringify(await upIn(cutover)) === JSON.stringify(wanted), 40_000)
    await load.more(300)
  }
  for (const [hosts, addresses] of [
    [['b.test'], [B]],
    [
      ['b.test', 'c.test'],
      [B, C],
    ],
    [['a.test'], [A]],
  ] as const) {
    set(...hosts)
    await settled(...addresses)
  }
  // A target moves, the records stay.
  dns.records.set('a.test', [C])
  await settled(C)
  const { failed, failures } = await load.stop()
  expect([failed, failures]).toEqual([0, {}])
})
