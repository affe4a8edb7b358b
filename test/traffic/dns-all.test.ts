import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { App, dnsServer, serversOf, serviceOf, startWith, upIn } from './dns-support.ts'
import { ask, holding, serverView } from './support.ts'

const [A, B, C] = ['127.0.1.1', '127.0.1.2', '127.0.1.3'] as const

async function answers(cutover: Parameters<typeof ask>[0], count = 12): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (let i = 0; i < count; i++) {
    const { status, body } = await ask(cutover)
    const who = status === 200 ? body : String(status)
    counts[who] = (counts[who] ?? 0) + 1
  }
  return counts
}

test('each address of a name is a server with checks, state and counts of its own', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('web.test', [A, B])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` }, { minReady: 0 })
  expect(await upIn(cutover)).toEqual([`web@${A}`, `web@${B}`])
  expect(await answers(cutover)).toEqual({ [A]: 6, [B]: 6 })
  expect((await serversOf(cutover))[`web@${A}`]).toMatchObject({
    url: `http://${A}:${app.port}`,
    state: 'ready',
    weight: 1,
    dns: { name: 'web.test', addresses: [A], problem: null, server: 'web' },
  })
  // Host of requests is that of the client, and of probes the name.
  expect(app.at(A).requests[0]?.headers.host).toBe(new URL(cutover.proxy).host)

  // One address fails its checks: the other one serves.
  app.at(A).health = 503
  await until(async () => (await serversOf(cutover))[`web@${A}`]?.health === 'down')
  expect(await answers(cutover)).toEqual({ [B]: 12 })
  app.at(A).health = 200
  await until(async () => (await upIn(cutover)).length === 2)
  const { body } = await cutover.api('GET', '/metrics')
  expect(body).toContain(`cutover_server_up{service="shop",pool="main",server="web@${A}"} 1`)
  expect(body).toMatch(/cutover_dns_lookups_total\{outcome="found"\} [1-9]/)
})

test('changes of addresses make no revision', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('web.test', [A])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` })
  const { revision } = (await cutover.api('GET', '/api/services')).body
  dns.records.set('web.test', [A, B])
  await until(async () => (await upIn(cutover)).length === 2, 40_000)
  expect((await cutover.api('GET', '/api/services')).body.revision).toBe(revision)
})

test('an address that appears gets requests only after a passed check', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  app.at(B).health = 503
  dns.records.set('web.test', [A])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` })
  dns.records.set('web.test', [A, B])
  await until(async () => (await serversOf(cutover))[`web@${B}`]?.health === 'down', 40_000)
  expect(await answers(cutover)).toEqual({ [A]: 12 })
  app.at(B).health = 200
  await until(async () => (await upIn(cutover)).length === 2)
  expect(await answers(cutover)).toEqual({ [A]: 6, [B]: 6 })
})

test('an address that vanishes gets no new requests, and those in flight end uncut', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A)]
  const { handler, held, release } = holding()
  await app.add(B, handler)
  dns.records.set('web.test', [A, B])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` }, { drain: { timeout: '100ms' } })
  const pending = [ask(cutover), ask(cutover)]
  await until(() => held.length === 1)
  dns.records.set('web.test', [A])
  await until(async () => (await serversOf(cutover))[`web@${B}`]?.dns?.vanishedAt !== undefined, 40_000)
  expect(await answers(cutover)).toEqual({ [A]: 12 })
  const view = (await serversOf(cutover))[`web@${B}`]
  expect(view).toMatchObject({ inFlight: 1, drained: false, health: 'up' })
  expect((await cutover.api('GET', '/api/services/shop/explain')).body.servers[1]).toMatchObject({
    may: false,
    reason: 'DNS does not have its address any more',
  })
  release()
  const bodies = (await Promise.all(pending)).map(({ status, body }) => [status, body])
  expect(bodies.toSorted()).toEqual([
    [200, A],
    [200, B],
  ])
})

test('all addresses change at once: the old ones serve until the new ones are up', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B, C)]
  app.at(B).health = 503
  app.at(C).health = 503
  dns.records.set('web.test', [A])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` })
  dns.records.set('web.test', [B, C])
  await until(async () => (await serversOf(cutover))[`web@${C}`]?.health === 'down', 40_000)
  expect(await answers(cutover)).toEqual({ [A]: 12 })
  app.at(C).health = 200
  await until(async () => (await answers(cutover, 4))[C] === 4)
  expect((await serversOf(cutover))[`web@${A}`]).toMatchObject({ health: 'up' })
})

test('the old ones serve for timeouts.handover at most', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  app.at(B).health = 503
  dns.records.set('web.test', [A])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` }, { timeouts: { handover: '300ms' } })
  dns.records.set('web.test', [B])
  await until(async () => (await ask(cutover)).status === 503, 40_000)
})

test('an address that flaps has its health at once when it is back, and its state', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('web.test', [A, B])
  const cutover = await startWith(
    dns,
    { web: `http://web.test:${app.port}` },
    { health: { interval: '50ms', rise: 100 }, minReady: 0 },
  )
  await until(async () => (await upIn(cutover)).length === 2, 40_000)
  await cutover.api('PATCH', `/api/servers/web@${B}`, { weight: 3 })
  for (let i = 0; i < 3; i++) {
    dns.records.set('web.test', [A])
    await until(async () => (await serversOf(cutover))[`web@${B}`]?.dns?.vanishedAt !== undefined, 40_000)
    dns.records.set('web.test', [A, B])
    await until(async () => (await serversOf(cutover))[`web@${B}`]?.dns?.vanishedAt === undefined, 40_000)
    expect((await serversOf(cutover))[`web@${B}`]).toMatchObject({ health: 'up', weight: 3 })
  }
  expect(await answers(cutover)).toEqual({ [A]: 3, [B]: 9 })
})

test.each(['nxdomain', 'empty', 'servfail', 'refused', 'silent'] as const)(
  'a name that vanishes (%s) keeps its last addresses, and says so',
  async (how) => {
    const [dns, app] = [await dnsServer(), await App.start(A, B)]
    dns.records.set('web.test', [A, B])
    const cutover = await startWith(dns, { web: `http://web.test:${app.port}` })
    if (how === 'nxdomain') dns.records.delete('web.test')
    else if (how === 'empty') dns.records.set('web.test', [])
    else dns.failures.set('web.test', how)
    await until(async () => (await serversOf(cutover))[`web@${A}`]?.dns?.problem !== null, 40_000)
    expect(await answers(cutover)).toEqual({ [A]: 6, [B]: 6 })
    expect(await upIn(cutover)).toHaveLength(2)
    const { parts } = (await cutover.api('GET', '/health')).body
    expect(parts.names.detail).toContain('not found: web.test')
    const said = () => cutover.stderr.split('\n').filter((line) => line.includes('a name of servers is not found'))
    await until(() => said().length > 0)
    expect(said()[0]).toContain('its last addresses stay in use')
    dns.failures.clear()
    dns.records.set('web.test', [B])
    await until(async () => (await serversOf(cutover))[`web@${B}`]?.dns?.problem === null, 40_000)
    await until(() => cutover.stderr.includes('a name of servers is found again'))
    expect(said()).toHaveLength(1)
  },
)

test('a name that has no address yet has no server: 503, and requests are served as soon as it has one', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A)]
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` })
  expect((await ask(cutover)).status).toBe(503)
  expect(await serversOf(cutover)).toMatchObject({
    web: { health: 'unknown', dns: { name: 'web.test', addresses: [], problem: 'the name does not exist' } },
  })
  const explained = (await cutover.api('GET', '/api/services/shop/explain')).body.servers[0]
  expect(explained.reason).toBe('its name has no address yet, so that there is no server')
  dns.records.set('web.test', [A])
  await until(async () => (await ask(cutover)).status === 200, 40_000)
  expect(await upIn(cutover)).toEqual([`web@${A}`])
})

test('a definition that names a name that does not resolve waits for it: the previous one serves', async () => {
  const [dns, app] = [await dnsServer(), await App.start(A, B)]
  dns.records.set('web.test', [A])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` })
  const next = serviceOf({ other: `http://later.test:${app.port}` })
  await cutover.api('PUT', '/api/services/shop?force', next)
  expect(await answers(cutover)).toEqual({ [A]: 12 })
  dns.records.set('later.test', [B])
  await until(async () => (await answers(cutover, 2))[B] === 2, 40_000)
  expect((await serverView(cutover, `other@${B}`)).health).toBe('up')
})
