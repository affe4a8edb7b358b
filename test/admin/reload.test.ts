import { closeSync, openSync, writeSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { CutoverOptions } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { problem, Shop } from './support.ts'

const shop = new Shop()
beforeAll(() => shop.start({}))
afterAll(() => shop.stop())

/** Writes a file with `shop` as given, and whatever else, and has it applied. */
async function reload(changes: object, more: Partial<CutoverOptions> = {}, path = '/api/config/reload') {
  await shop.cutover.configure({ services: { shop: shop.definition(changes) }, ...more })
  return shop.api('POST', path)
}

beforeEach(async () => {
  expect((await reload({})).body).toMatchObject({ changed: true, needRestart: [] })
  await shop.allUp()
})
afterEach(async () => {
  await shop.cutover.configure({ services: {} })
  await shop.done('POST', '/api/config/reload?force')
  await shop.reset()
  await until(async () => (await shop.done('GET', '/api/services')).services.length === 0)
})

const { api, done } = { api: shop.api.bind(shop), done: shop.done.bind(shop) }

describe('POST /api/config/reload', () => {
  test('takes the structure from the file and keeps later decisions', async () => {
    await done('POST', '/api/services/shop/shift', { to: 'green', percent: 25 })
    await done('PATCH', '/api/servers/blue1', { state: 'drain', weight: 3 })
    await done('PATCH', '/api/servers/blue2', { weight: 4 })
    const definition = shop.definition({ split: { green: 100 }, minReady: 0, paths: ['/', '/more'] })
    const blue = { blue1: 'http://127.0.0.1:1', blue3: shop.server('green1').url }
    const pools = { ...definition.pools, blue: { version: '2', servers: blue }, red: { servers: {} } }
    const { status, headers, body } = await reload({ ...definition, pools })
    expect([status, body]).toEqual([
      200,
      { revision: expect.any(Number), changed: true, drained: expect.any(Array), cut: 0, needRestart: [] },
    ])
    expect(headers.get('etag')).toBe(`"${body.revision}"`)
    const view = await shop.view()
    expect(view).toMatchObject({
      split: { blue: 75, green: 25, red: 0 },
      paths: ['/', '/more'],
      revision: body.revision,
    })
    expect(view.pools[0]).toMatchObject({
      version: '2',
      servers: [
        { name: 'blue1', url: 'http://127.0.0.1:1', state: 'drain', weight: 3 },
        { name: 'blue3', state: 'ready', weight: 1 },
      ],
    })
    expect(await shop.lastEntry()).toMatchObject({ action: 'configure', by: 'local', forced: false })
  })

  test('of a file that has not changed, or only in its order, changes nothing', async () => {
    const revision = await shop.revision()
    expect((await api('POST', '/api/config/reload')).body).toMatchObject({ revision, changed: false, needRestart: [] })
    const { health, split, pools } = shop.definition()
    await shop.cutover.configure({ services: { shop: { health, split, pools } } })
    expect((await api('POST', '/api/config/reload')).body).toMatchObject({ revision, changed: false })
    expect(await shop.revision()).toBe(revision)
  })

  test('of a file with one change keeps changes made through the API', async () => {
    const { url } = shop.server('green1')
    await done('PUT', '/api/services/shop/pools/blue/servers/added', url)
    await done('PATCH', '/api/services/shop', { timeouts: { response: '7s' } })
    await done('PUT', '/api/services/extra', shop.definition({ paths: ['/extra'] }))
    await reload({ minReady: 2 })
    const names = (await shop.view()).pools[0].servers.map((server: { name: string }) => server.name)
    expect(names).toEqual(['blue1', 'blue2', 'added'])
    expect(await shop.lastEntry()).toMatchObject({ from: {}, to: { minReady: 2 } })
    expect((await shop.view('extra')).name).toBe('extra')

    // Where the file changes the same thing, it wins.
    await reload({ minReady: 2, timeouts: { response: '9s' } })
    expect(await shop.lastEntry()).toMatchObject({
      from: { timeouts: { response: '7s' } },
      to: { timeouts: { response: '9s' } },
    })
  })

  test('does not bring back what was removed through the API until the file changes it', async () => {
    await done('DELETE', '/api/services/shop/pools/blue/servers/blue2')
    await reload({ minReady: 0 })
    expect((await shop.view()).pools[0].servers).toHaveLength(1)
    await done('DELETE', '/api/services/shop?force')
    expect((await api('POST', '/api/config/reload')).body.changed).toBe(false)
    expect((await api('GET', '/api/services/shop')).status).toBe(404)
    await reload({ minReady: 1 })
    expect((await shop.view()).pools[0].servers).toHaveLength(2)
  })

  test('and GET of the configuration name a service that was removed through the API, and bring it back when asked', async () => {
    await shop.cutover.configure({
      services: { shop: shop.definition(), extra: shop.definition({ paths: ['/extra'] }) },
    })
    expect((await done('POST', '/api/config/reload')).removed).toBeUndefined()
    await done('DELETE', '/api/services/extra?force')
    const removed = { services: ['extra'], hint: expect.stringContaining('{"restore": true}') }
    expect(await done('GET', '/api/config')).toMatchObject({ removed, services: { extra: { paths: ['/extra'] } } })
    expect(await done('POST', '/api/config/reload')).toMatchObject({ changed: false, removed })
    const restored = await done('POST', '/api/config/reload', { restore: true })
    expect([restored.changed, restored.removed]).toEqual([true, undefined])
    expect((await shop.view('extra')).paths).toEqual(['/extra'])
    expect((await done('GET', '/api/config')).removed).toBeUndefined()
  })

  test('removes what the file no longer has; its requests finish', async () => {
    const held = shop.ask('/hold')
    await until(() => shop.server('blue1').requests.length + shop.server('blue2').requests.length === 1)
    await shop.cutover.configure({ services: {} })
    const waited = done('POST', '/api/config/reload?wait=20s&force')
    await until(async () => (await shop.ask()) === '404')
    shop.held.release()
    expect(await held).toMatch(/^blue/)
    expect((await waited).drained).toEqual(['blue1', 'blue2', 'green1', 'green2'])
    expect(await shop.lastEntry()).toMatchObject({ action: 'configure', to: null })
  })

  test('of an unusable file is refused with all its problems, and changes nothing', async () => {
    const revision = await shop.revision()
    const answer = await reload({ balence: 'x', split: { blue: 50 } }, { proxy: { listen: 'nowhere' } })
    const { problems, detail } = problem(answer, 422, 'Invalid configuration')
    expect(problems).toMatchObject([
      { path: 'proxy.listen' },
      { path: 'services.shop.balence', message: 'unknown key "balence"; did you mean "balance"?' },
      { path: 'services.shop.split', message: 'must sum to 100, not 50' },
    ])
    expect(detail).toContain(`${shop.cutover.configFile} was not applied: `)
    await writeFile(shop.cutover.configFile, '{ "services": ')
    problem(await api('POST', '/api/config/reload'), 422, 'Invalid configuration')
    expect(await shop.revision()).toBe(revision)
    await shop.answeredBy('blue1', 'blue2')
    expect((await done('GET', '/api/config')).services.shop.split).toEqual({ blue: 100 })
  })

  test('that would remove a pool with traffic is refused whole, unless forced', async () => {
    const revision = await shop.revision()
    const { green } = shop.definition().pools
    const services = { shop: shop.definition({ pools: { green }, split: { green: 100 } }) }
    const more = { extra: shop.definition({ paths: ['/extra'] }) }
    await shop.cutover.configure({ services: { ...services, ...more } })
    const { detail } = problem(await api('POST', '/api/config/reload'), 409, 'Would break a promise')
    expect(detail).toContain('Pool blue has 100 % of the traffic of shop; switch or shift it away first.')
    expect(await shop.revision()).toBe(revision)
    expect((await api('GET', '/api/services/extra')).status).toBe(404)

    const forced = await api('POST', '/api/config/reload', { force: true, reason: 'blue is history' })
    expect(forced.body).toMatchObject({ changed: true, revision: revision + 1 })
    expect(await shop.lastEntry()).toMatchObject({ forced: true, reason: 'blue is history', action: 'configure' })
    expect((await shop.view()).split).toEqual({ green: 100 })
    expect((await shop.view('extra')).revision).toBe(revision + 1)
  })

  test('that would leave requests without a service is refused whole, unless forced', async () => {
    const revision = await shop.revision()
    const more = { other: shop.definition({ paths: ['/other'] }) }
    await shop.cutover.configure({ services: more })
    const { detail } = problem(await api('POST', '/api/config/reload'), 409, 'Would break a promise')
    expect(detail).toContain(
      'Service shop has traffic and would be removed; no other service takes over any host, path /.',
    )
    await shop.answeredBy('blue1', 'blue2')
    problem(await reload({ paths: ['/only'] }), 409, 'Would break a promise')
    await shop.answeredBy('blue1', 'blue2')
    expect(await shop.revision()).toBe(revision)

    await shop.cutover.configure({ services: more })
    expect((await api('POST', '/api/config/reload?force&reason=closed')).status).toBe(200)
    expect(await shop.ask()).toBe('404')
    expect(await shop.lastEntry()).toMatchObject({ forced: true, reason: 'closed', action: 'configure', to: null })
  })

  test('may have another service take over all of the routes of one that is removed', async () => {
    await shop.cutover.configure({ services: { store: shop.definition() } })
    expect((await api('POST', '/api/config/reload')).body).toMatchObject({ changed: true })
    expect((await done('GET', '/api/services')).services).toMatchObject([{ name: 'store' }])
  })

  test.each([
    ['an empty file', ''],
    ['a file that ends before its services', '{"proxy": {"listen": "127.0.0.1:0"}}'],
    ['services without a value', 'services:\n'],
  ])('of %s is refused, whoever insists, and takes nothing away', async (_what, text) => {
    const revision = await shop.revision()
    await writeFile(shop.cutover.configFile, text)
    for (const path of ['/api/config/reload', '/api/config/reload?force']) {
      const { detail } = problem(await api('POST', path), 422, 'Invalid configuration')
      expect(detail).toContain('services: is missing: the file is empty or was cut short.')
      expect(detail).toContain('write services: {} and reload with force')
    }
    expect(await shop.revision()).toBe(revision)
    await shop.answeredBy('blue1', 'blue2')
  })

  test('that fails is shown in /health until one succeeds', async () => {
    const part = async () => (await api('GET', '/health')).body.parts.configuration
    await shop.cutover.configure({ services: { shop: shop.definition({ balence: 'x' }) } })
    expect((await api('POST', '/api/config/reload')).status).toBe(422)
    expect(await part()).toMatchObject({ status: 'degraded' })
    expect((await part()).detail).toContain(
      'the last reload failed, nothing was changed: services.shop.balence: unknown key',
    )
    const { body } = await api('GET', '/api/instances')
    expect(body.instances[0].configuration).toMatchObject({
      standing: 'inForce',
      problem: expect.stringMatching('balence'),
    })
    problem(await reload({ paths: ['/only'] }), 409, 'Would break a promise')
    expect((await part()).detail).toContain('Service shop would no longer answer to any host, path /')
    expect((await reload({})).status).toBe(200)
    expect(await part()).toEqual({ status: 'ok', detail: null })
  })

  test('that would leave too few servers ready is refused, unless forced', async () => {
    const definition = shop.definition()
    const pools = { ...definition.pools, blue: { servers: { blue1: 'http://127.0.0.1:1' } } }
    problem(await reload({ pools }), 409, 'Would break a promise')
    await shop.answeredBy('blue1', 'blue2')
    expect((await api('POST', '/api/config/reload?force')).status).toBe(200)
  })

  test('with hosts and paths of a service of the API is refused', async () => {
    await done('PUT', '/api/services/extra', shop.definition({ paths: ['/extra'] }))
    const { problems } = problem(await reload({ paths: ['/extra'] }), 422, 'Invalid value')
    expect(problems).toEqual([
      {
        path: 'services.shop',
        message: 'answers to any host, path /extra, as services.extra does; give each its own hosts or paths',
      },
    ])
  })

  test('names the settings that need a restart', async () => {
    const { body } = await reload(
      { minReady: 0 },
      {
        proxy: { timeouts: { header: '5s' }, trustedProxies: ['10.0.0.0/8'] },
        shutdown: { timeout: '1s' },
        admin: { hosts: ['x.test'] },
      },
    )
    expect(body).toMatchObject({
      changed: true,
      needRestart: ['proxy.trustedProxies', 'proxy.timeouts', 'shutdown.timeout', 'admin.hosts'],
    })
  })

  test('waits for what it drains, like any write', async () => {
    const { status, body } = await reload({ minReady: 0 }, {}, '/api/config/reload?wait=10s')
    expect([status, body.changed]).toEqual([200, true])
    problem(await api('POST', '/api/config/reload?wate=1s'), 422, 'Invalid value')
    problem(await api('POST', '/api/config/reload', { forse: true }), 422, 'Invalid value')
  })
})

test('GET /api/config is the file in force, with its revision', async () => {
  await reload({ health: { interval: '20ms', headers: { 'x-api-key': 's3cret', 'x-probe': 'me' } } })
  const { headers, body } = await api('GET', '/api/config')
  const definition = shop.definition({
    health: { interval: '20ms', headers: { 'x-api-key': '(hidden)', 'x-probe': '(hidden)' } },
  })
  expect(body).toMatchObject({ revision: await shop.revision(), services: { shop: definition } })
  expect(body.store.path).toBe(shop.cutover.dataPath)
  expect(headers.get('etag')).toBe(`"${body.revision}"`)
})

describe('SIGHUP', () => {
  const signal = async (said: RegExp) => {
    const { length } = shop.cutover.stderr
    shop.cutover.process.kill('SIGHUP')
    await until(() => said.test(shop.cutover.stderr.slice(length)))
    return shop.cutover.stderr.slice(length)
  }

  test('reads the file again', async () => {
    await shop.cutover.configure({ services: { shop: shop.definition({ paths: ['/', '/sighup'] }) } })
    await signal(/was applied/)
    expect((await shop.view()).paths).toEqual(['/', '/sighup'])
    expect(await shop.lastEntry()).toMatchObject({ by: 'SIGHUP', action: 'configure' })
  })

  test('T19: with a bad file changes nothing, and says why', async () => {
    const revision = await shop.revision()
    await shop.cutover.configure({ services: { shop: shop.definition({ balence: 'x' }) } })
    expect(await signal(/was not applied/)).toContain('services.shop.balence: unknown key')
    expect(await shop.revision()).toBe(revision)
  })

  test('a hundred times while the file is written over in place fails no request', async () => {
    const others = Array.from({ length: 20 }, (_, i) => [`other${i}`, shop.definition({ paths: [`/other${i}`] })])
    const texts = [7, 8].map((seconds) => {
      const definition = shop.definition({ timeouts: { response: `${seconds}s` } })
      return JSON.stringify({ services: { shop: definition, ...Object.fromEntries(others) } })
    })
    await writeFile(shop.cutover.configFile, texts[0] ?? '')
    await signal(/was applied/)
    const statuses = new Map<number, number>()
    let isOver = false
    const asking = (async () => {
      while (!isOver) {
        for (const path of ['/', '/other7']) {
          const { status } = await fetch(`${shop.cutover.proxy}${path}`)
          statuses.set(status, (statuses.get(status) ?? 0) + 1)
        }
      }
    })()
    for (let i = 0; i < 100; i++) {
      const descriptor = openSync(shop.cutover.configFile, 'w')
      const text = texts[i % 2] ?? ''
      for (const part of [text.slice(0, 5_000), text.slice(5_000)]) {
        shop.cutover.process.kill('SIGHUP')
        await delay(5)
        writeSync(descriptor, part)
      }
      closeSync(descriptor)
    }
    shop.cutover.process.kill('SIGHUP')
    await until(async () => (await done('GET', '/api/config')).services.shop?.timeouts.response === '8s')
    isOver = true
    await asking
    expect([...statuses.keys()]).toEqual([200])
    expect(statuses.get(200)).toBeGreaterThan(0)
  })

  test('with a file that breaks a promise changes nothing, and says why', async () => {
    const revision = await shop.revision()
    const { green } = shop.definition().pools
    await shop.cutover.configure({ services: { shop: shop.definition({ pools: { green }, split: { green: 100 } }) } })
    expect(await signal(/was not applied/)).toContain('Pool blue has 100 % of the traffic')
    expect(await shop.revision()).toBe(revision)
  })
})
