import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { problem, useShop } from './support.ts'

const shop = useShop()
const PATH = '/api/services/shop/definition'

test('a definition is read as it was written, with the revision that changed it last', async () => {
  const written = shop.definition({ minReady: 2, drain: { timeout: '5s' } })
  await shop.define(written)
  const revision = await shop.revision()
  await shop.define({ paths: ['/other'] }, 'other')
  const { headers, body } = await shop.api('GET', PATH)
  expect(body).toEqual({ revision, service: 'shop', written, resolved: expect.anything() })
  expect(headers.get('etag')).toBe(`"${revision}"`)
  problem(await shop.api('GET', '/api/services/shp/definition'), 404, 'Unknown service')
})

test('and as it is resolved: every default is there, in the words and units of the configuration', async () => {
  const url = shop.server('blue1').url
  await shop.done('PUT', '/api/services/shop?force', { pools: { blue: { servers: { blue1: url } } }, health: 'off' })
  const { resolved } = await shop.done('GET', PATH)
  expect(resolved).toMatchObject({
    hosts: [],
    paths: ['/'],
    stripPrefix: false,
    pools: { blue: { version: 'blue', servers: { blue1: { url, weight: 1, backup: false } } } },
    split: { blue: 100 },
    balance: 'leastRequest',
    health: 'off',
    passive: { maxFails: 3, failTimeout: '30s', maxEjected: '50%' },
    retry: { attempts: 2, on: ['connect', 'reset'], methods: 'idempotent', budget: '20%', bodyBytes: '64kb' },
    timeouts: { connect: '2s', response: '60s', idle: '60s', queue: 0 },
    connections: { perServer: 0, keepAlive: '4s' },
    drain: { timeout: '30s', websockets: 'close' },
    minReady: 1,
  })
  await shop.done('PATCH', '/api/services/shop', { health: { path: '/up' } })
  const { health } = (await shop.done('GET', PATH)).resolved
  expect(health).toMatchObject({ path: '/up', interval: '1s', timeout: '5s', rise: 1, fall: 3, expect: '200-299' })
})

test('written back, the written one changes nothing, and the resolved one means the same', async () => {
  await shop.define({ timeouts: { connect: '1s' }, retry: { statuses: [503] } })
  const { written, resolved } = await shop.done('GET', PATH)
  expect((await shop.done('PUT', '/api/services/shop', written)).changed).toBe(false)
  await shop.done('PUT', '/api/services/shop', resolved)
  const again = await shop.done('GET', PATH)
  expect([again.written, again.resolved]).toEqual([resolved, resolved])
  await shop.allUp()
})

test('the ETag is good for If-Match: somebody else may have changed it meanwhile', async () => {
  const { headers, body } = await shop.api('GET', PATH)
  const ifMatch = { 'if-match': headers.get('etag') ?? '' }
  await shop.done('PUT', '/api/services/shop', { ...body.written, minReady: 2 }, ifMatch)
  const late = await shop.api('PUT', '/api/services/shop', { ...body.written, minReady: 0 }, ifMatch)
  expect(late.status).toBe(412)
})

test('secrets are hidden, and stay as they are when the definition is written back', async () => {
  const headers = { authorization: 'Bearer s3cret', 'x-probe': '1' }
  await shop.define({ health: { interval: '20ms', path: '/healthz?token=s3cret', headers } })
  const { written, resolved } = await shop.done('GET', PATH)
  for (const shown of [written, resolved]) {
    expect(JSON.stringify(shown)).not.toContain('s3cret')
    expect(shown.health.headers).toEqual({ authorization: '(hidden)', 'x-probe': '(hidden)' })
  }
  expect((await shop.done('PUT', '/api/services/shop', written)).changed).toBe(false)
  const health = { ...written.health, fall: 5, headers: { ...written.health.headers, 'x-more': '2' } }
  await shop.done('PUT', '/api/services/shop', { ...written, health })
  // What the server is asked with says that nothing was lost.
  const probe = await until(() => shop.server('blue1').requests.find((each) => each.headers['x-more'] === '2'))
  expect([probe.url, probe.headers]).toMatchObject(['/healthz?token=s3cret', headers])
  const wrong = { ...written.health, headers: { 'x-new': '(hidden)' } }
  problem(await shop.api('PUT', '/api/services/shop', { ...written, health: wrong }), 422, 'Invalid value')
  const elsewhere = { ...written.health, path: '/up?token=(hidden)' }
  const refused = await shop.api('PUT', '/api/services/shop', { ...written, health: elsewhere })
  expect(problem(refused, 422, 'Invalid value').problems).toMatchObject([{ path: 'health.path' }])
})
