import { beforeAll, describe, expect, test } from 'vitest'
import { type Client, createClient, type ServiceDefinition } from '../../src/client/create-client.ts'
import { useShop } from '../admin/support.ts'
import { until } from '../support/until.ts'

const shop = useShop({ proxy: { workers: 1 }, admin: { preview: '127.0.0.1:0' } })
let client: Client

beforeAll(() => {
  client = createClient({ url: `${shop.cutover.admin}/` })
})

test('services: defines, changes, reads and removes them', async () => {
  const { service, changed } = await client.services.put('other', {
    hosts: ['other.test'],
    ...(shop.definition() as ServiceDefinition),
  })
  expect([service?.name, changed]).toEqual(['other', true])
  const patched = await client.services.patch('other', { balance: 'roundRobin' }, { reason: 'even — fair & square' })
  expect(patched.revision).toBeGreaterThan(service?.revision ?? 0)
  const { history } = await client.services.history('other', { limit: 1 })
  expect(history.map(({ reason }) => reason)).toEqual(['even — fair & square'])
  expect((await client.services.definition('other')).written.balance).toBe('roundRobin')
  expect((await client.services.list()).services.map(({ name }) => name)).toEqual(['shop', 'other'])
  expect((await client.services.delete('other', { force: true })).service).toBeNull()
})

test('traffic: switches, shifts and rolls back', async () => {
  const switched = await client.services.switch('shop', { to: 'green', wait: '20s', drain: '10s', reason: 'release' })
  expect([switched.drained, switched.service?.split]).toEqual([['blue'], { blue: 0, green: 100 }])
  expect((await shop.lastEntry()).reason).toBe('release')
  expect((await client.services.shift('shop', { to: 'blue', percent: 5 })).service?.split).toEqual({
    blue: 5,
    green: 95,
  })
  expect((await client.services.shift('shop', { split: { blue: 50, green: 50 } })).service?.split.blue).toBe(50)
  expect((await client.services.rollback('shop')).service?.split.blue).toBe(5)
})

test('explains a request with several header fields, whose values may have commas', async () => {
  const match = { header: { 'x-a': '1, 2', 'x-b': '3' } }
  await client.services.patch('shop', { routes: [{ name: 'both', match, to: 'green' }] })
  expect((await client.services.explain('shop', { header: ['x-a: 1, 2', 'x-b: 3'] })).pool).toBe('green')
  expect((await client.services.explain('shop', { header: 'x-a: 1, 2' })).pool).toBe('blue')
})

test('events of the past: the newest of those asked for, and where to go on', async () => {
  for (const to of ['green', 'blue']) await client.services.switch('shop', { to, wait: '10s' })
  const { events, position } = await client.keptEvents(2, { service: 'shop', types: ['change'] })
  expect(events.map(({ after }) => after)).toEqual([{ green: 100 }, { blue: 100 }])
  expect((await client.keptEvents(100, { types: ['drain.*'] })).events.every(({ type }) => /^drain\./.test(type))).toBe(
    true,
  )
  const next = client.events({ lastEventId: position, types: ['change'] })
  await client.services.switch('shop', { to: 'green' })
  expect((await next.next()).value).toMatchObject({ after: { green: 100 } })
  await next.return()
  expect((await client.keptEvents(0)).events).toEqual([])
  await expect(client.keptEvents(1, { types: ['helth'] })).rejects.toMatchObject({ status: 400 })
  expect((await client.openApi()).openapi).toMatch(/^3\.1/)
})

test('pools: defines, previews and removes them', async () => {
  await client.pools.put('shop', 'red', { version: '3', servers: { red1: shop.server('green1').url } })
  expect((await client.pools.previewLink('shop', 'red', { path: '/login' })).url).toContain('/login')
  const preview = await client.preview('shop', 'green', '/a?b', { method: 'POST', body: 'text' })
  expect([preview.status, await preview.text()]).toEqual([200, expect.stringMatching(/^green/)])
  await expect(client.preview('shop', 'green', 'a')).rejects.toThrow(TypeError)
  const { drained } = await client.pools.delete('shop', 'red', { wait: '20s' })
  expect(drained).toEqual(['red1'])
})

test('deploy: waits for its servers, for longer than for other answers, and tells why it failed', async () => {
  // The deploy takes longer than the client's own limit, which leaves time enough for a busy machine.
  const patient = createClient({ url: shop.cutover.admin, timeoutMs: 2_000 })
  const failing = patient.services.deploy('shop', { servers: { gone: 'http://127.0.0.1:1' }, timeout: '3s' })
  await expect(failing).rejects.toMatchObject({ status: 504, body: { servers: [{ name: 'gone' }] } })
  const { deploy, drained } = await client.services.deploy('shop', {
    servers: { green1: shop.server('green1').url },
    version: '9',
  })
  expect([deploy.pool, deploy.version, drained]).toEqual(['green', '9', ['blue']])
})

test('servers: takes them out and in, and narrows a name', async () => {
  await client.servers.put('shop', 'green', 'blue1', shop.server('green1').url)
  await shop.allUp()
  expect((await client.servers.get('blue1')).servers.map(({ pool }) => pool)).toEqual(['blue', 'green'])
  const { drained } = await client.servers.drain('blue1', { pool: 'blue', wait: '20s' })
  expect(drained).toEqual(['blue1'])
  const states = async () => (await client.servers.get('blue1')).servers.map(({ state }) => state)
  expect(await states()).toEqual(['drain', 'ready'])
  expect((await client.servers.enable('blue1')).changed).toBe(true)
  await client.servers.disable('blue2')
  const patched = await client.servers.patch('blue1', { weight: 3 }, { pool: 'blue', reason: 'bigger' })
  expect(patched.servers.map(({ weight }) => weight)).toEqual([3])
  await client.servers.delete('shop', 'green', 'blue1', { wait: '20s' })
  expect((await client.servers.list({ pool: 'blue' })).servers.map(({ name }) => name)).toEqual(['blue1', 'blue2'])
})

test('the instance and its fleet', async () => {
  const [self] = (await client.instances.list()).instances
  expect(await client.instances.get(self?.id ?? '')).toMatchObject({ name: self?.name, self: true })
  await expect(client.instances.delete(self?.id ?? '')).rejects.toMatchObject({ status: 409 })
  expect((await client.overrides.list()).overrides).toEqual([])
  expect((await client.overrides.delete()).overrides).toEqual([])
  expect((await client.config.reload({ restore: false })).changed).toBe(false)
  expect((await client.config.get()).proxy).toMatchObject({ workers: 1 })
  expect(await client.ready()).toEqual({ ready: true, reason: null })
  expect(await client.live()).toEqual({ status: 'ok' })
  expect(await client.metrics()).toContain('cutover_revision')
  expect((await client.workers.restart({ wait: '20s' })).restarting).toBe(false)
})

test('an instance by name is reached through any other', async () => {
  const [self] = (await client.instances.list()).instances
  const there = client.at(self?.name ?? '')
  expect((await there.services.switch('shop', { to: 'green' })).service?.split.green).toBe(100)
  expect((await there.overrides.list()).overrides).toEqual([])
  await expect(client.at('nobody').services.list()).rejects.toMatchObject({ status: 404, title: 'Unknown instance' })
})

test('bad health is an answer, not an error', async () => {
  for (const name of ['blue1', 'blue2'] as const) shop.server(name).health = 503
  await until(async () => (await client.health()).status === 'failing')
})

describe('a refusal is an ApiError with the whole problem:', () => {
  test('an unknown name, with the known ones', async () => {
    const refusal = client.services.switch('shap', { to: 'green' })
    await expect(refusal).rejects.toMatchObject({
      name: 'ApiError',
      status: 404,
      title: 'Unknown service',
      message: expect.stringContaining('Did you mean "shop"'),
      body: { known: ['shop'] },
    })
  })

  test('invalid values, with their paths', async () => {
    const refusal = client.services.put('other', { pools: { a: { servers: { b: 'ftp://x' } } } }, { wait: 'soon' })
    await expect(refusal).rejects.toMatchObject({ status: 422, problems: [{ path: 'wait' }] })
    const wrong = client.services.put('other', { pools: { a: { servers: { b: 'ftp://x' } } } })
    await expect(wrong).rejects.toMatchObject({ status: 422, problems: [{ path: 'pools.a.servers.b' }] })
  })

  test('a resource that has moved on, and a promise that would break', async () => {
    await client.services.shift('shop', { to: 'green', percent: 1 })
    const { revision } = await client.services.get('shop')
    const stale = client.services.shift('shop', { to: 'green', percent: 5, ifMatch: revision - 1 })
    await expect(stale).rejects.toMatchObject({ status: 412, body: { actual: revision, expected: revision - 1 } })
    expect((await client.services.shift('shop', { to: 'green', percent: 5, ifMatch: revision })).changed).toBe(true)
    await client.servers.drain('blue1')
    await expect(client.servers.drain('blue2')).rejects.toMatchObject({ status: 409, title: 'Would break a promise' })
    expect((await client.servers.drain('blue2', { force: true })).changed).toBe(true)
  })

  test('a wait that ended too early, with what is missing', async () => {
    const held = shop.ask('/hold')
    await until(() => shop.server('blue1').requests.length + shop.server('blue2').requests.length === 1)
    const late = client.services.switch('shop', { to: 'green', wait: '1s' })
    await expect(late).rejects.toMatchObject({ status: 504, body: { missing: { underWay: [{ inFlight: 1 }] } } })
    shop.held.release()
    await held
  })
})

test('names that would change the path are refused before anything is sent', async () => {
  for (const name of ['', '.', '..', undefined as unknown as string]) {
    await expect(client.services.delete(name)).rejects.toThrow(TypeError)
  }
  await expect(client.services.get('a/../../health?x#y')).rejects.toMatchObject({
    status: 404,
    title: 'Unknown service',
  })
})

test('options that cannot be used are refused at once', () => {
  expect(() => createClient({})).toThrow('say where the admin API is')
  expect(() => createClient({ url: undefined })).toThrow('say where the admin API is')
  expect(() => createClient({ url: 'unix:/run/cutover.sock' })).toThrow('for a socket file, pass a fetch')
  expect(() => createClient({ url: 'http://user:secret@127.0.0.1' })).toThrow(/^(?!.*secret).*token/)
  expect(() => createClient({ url: 'http://127.0.0.1', token: 'a b' })).toThrow('token')
  expect(() => createClient({ url: 'http://127.0.0.1', timeoutMs: 0 })).toThrow('timeoutMs')
})
