import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { App, dnsServer, serversOf, startWith } from './dns-support.ts'
import { ask, holding } from './support.ts'

const [A, B, C] = ['127.0.4.1', '127.0.4.2', '127.0.4.3'] as const

async function started(more: object = {}) {
  const [dns, app] = [await dnsServer(), await App.start(A)]
  const { handler, held, release } = holding()
  await app.add(B, handler)
  dns.records.set('web.test', [A, B])
  const cutover = await startWith(dns, { web: `http://web.test:${app.port}` }, { minReady: 0, ...more })
  const server = async (name: string) => (await serversOf(cutover))[name]
  return { dns, app, cutover, held, release, server }
}

test('a drained name is drained when the last request at any of its addresses has ended', async () => {
  const { cutover, held, release, server } = await started()
  const pending = [ask(cutover), ask(cutover)]
  await until(() => held.length === 1)
  const answer = cutover.api('POST', '/api/servers/web/drain?wait=300ms')
  expect([(await answer).status, (await answer).body.missing.underWay]).toEqual([504, [{ name: 'web', inFlight: 1 }]])
  expect([(await server(`web@${A}`))?.drained, (await server(`web@${B}`))?.drained]).toEqual([true, false])
  release()
  await Promise.all(pending)
  const again = await cutover.api('POST', '/api/servers/web/drain?wait=10s')
  expect(again.body).toMatchObject({ changed: false, drained: ['web'] })
  expect((await server(`web@${B}`))?.drained).toBe(true)
  expect((await ask(cutover)).status).toBe(503)
  await cutover.api('POST', '/api/servers/web/enable?wait=10s')
  expect((await ask(cutover)).status).toBe(200)
})

test('one address can be drained alone; an address that appears has the state of its name', async () => {
  const { dns, app, cutover, server } = await started()
  const drained = await cutover.api('POST', `/api/servers/web@${B}/drain?wait=10s`)
  expect([drained.status, drained.body.drained]).toEqual([200, [`web@${B}`]])
  for (let i = 0; i < 6; i++) expect((await ask(cutover)).body).toBe(A)
  expect(await server(`web@${A}`)).toMatchObject({ state: 'ready' })

  await cutover.api('POST', '/api/servers/web/drain?wait=10s')
  await app.add(C)
  dns.records.set('web.test', [A, B, C])
  await until(async () => (await server(`web@${C}`))?.health === 'up', 40_000)
  expect(await server(`web@${C}`)).toMatchObject({ state: 'drain', drained: true })
  expect((await ask(cutover)).status).toBe(503)

  // The last command counts, whichever it was for.
  await cutover.api('POST', `/api/servers/web@${C}/enable?wait=10s`)
  expect((await ask(cutover)).body).toBe(C)
  await cutover.api('POST', '/api/servers/web/enable?wait=10s')
  expect((await Promise.all([A, B, C].map((each) => server(`web@${each}`)))).map((each) => each?.state)).toEqual([
    'ready',
    'ready',
    'ready',
  ])
})

test('the drain of a name waits for an address that has vanished, and its deadline cuts requests there', async () => {
  const { dns, cutover, held, server } = await started({ drain: { timeout: '700ms' } })
  const pending = [ask(cutover), ask(cutover)]
  await until(() => held.length === 1)
  dns.records.set('web.test', [A])
  await until(async () => (await server(`web@${B}`))?.dns?.vanishedAt !== undefined, 40_000)
  const { status, body } = await cutover.api('POST', '/api/servers/web/drain?wait=10s')
  expect([status, body.drained, body.cut]).toEqual([200, ['web'], 1])
  expect((await Promise.all(pending)).map((each) => each.status).toSorted()).toEqual([200, 504])
})

test('state and weight stay over a change of the definition, and are dropped with the name', async () => {
  const { app, cutover, server } = await started()
  await cutover.api('PATCH', `/api/servers/web@${B}`, { state: 'maint', weight: 5 })
  await cutover.api('PATCH', '/api/services/shop', { retry: { attempts: 1 } })
  expect(await server(`web@${B}`)).toMatchObject({ state: 'maint', weight: 5 })
  await cutover.api('PATCH', '/api/services/shop?force', {
    pools: { main: { servers: { web: null, other: `http://web.test:${app.port}` } } },
  })
  await until(async () => (await server(`other@${B}`))?.health === 'up', 40_000)
  await cutover.api('PATCH', '/api/services/shop?force', {
    pools: { main: { servers: { other: null, web: `http://web.test:${app.port}` } } },
  })
  await until(async () => (await server(`web@${B}`))?.health === 'up', 40_000)
  expect(await server(`web@${B}`)).toMatchObject({ state: 'ready', weight: 1 })
})

test('a name that nobody knows is refused, with the names there are', async () => {
  const { cutover } = await started()
  const { status, body } = await cutover.api('POST', '/api/servers/web@127.0.4.9/drain')
  expect(status).toBe(404)
  expect(body.detail).toContain('web@127.0.4')
})
