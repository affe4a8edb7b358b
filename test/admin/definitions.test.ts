import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { problem, send, useShop } from './support.ts'

const shop = useShop()
const SERVER = '/api/services/shop/pools/blue/servers'

/** A further server, for the time of a test. */
async function withServer(name: string, health: number, run: (server: Upstream) => Promise<void>): Promise<void> {
  const server = await startUpstream(undefined, { name })
  server.health = health
  try {
    await run(server)
  } finally {
    await server.close()
  }
}

describe('a server', () => {
  test('that is added gets traffic once it has passed a probe, and not before', async () => {
    await withServer('blue3', 503, async (blue3) => {
      const body = await shop.done('PUT', `${SERVER}/blue3`, { url: blue3.url, weight: 2 })
      expect(body).toMatchObject({
        changed: true,
        service: { pools: [{ up: 2, servers: [{}, {}, { weight: 2 }] }, {}] },
      })
      await until(() => blue3.probes >= 2)
      await shop.answeredBy('blue1', 'blue2')
      expect(blue3.requests).toEqual([])
      blue3.health = 200
      await until(async () => (await shop.ask()) === 'blue3')
      const { servers } = await shop.done('GET', '/api/servers/blue3')
      expect(servers).toMatchObject([{ state: 'ready', health: 'up', pool: 'blue', weight: 2, url: blue3.url }])
      expect(await shop.lastEntry()).toMatchObject({ action: 'set server' })
    })
  })

  test('may be defined by its address alone', async () => {
    const body = await shop.done('PUT', `${SERVER}/blue2`, shop.server('green2').url)
    const [, blue2] = body.service.pools[0].servers
    // What the check of green2 has found of this address is known of it at once.
    expect(blue2).toMatchObject({ name: 'blue2', url: shop.server('green2').url, weight: 1, health: 'up' })
    await until(async () => (await shop.ask()) === 'green2')
  })

  test('that is deleted finishes its requests, gets no new ones, and is waited for', async () => {
    const held = [shop.ask('/hold'), shop.ask('/hold'), shop.ask('/hold'), shop.ask('/hold')]
    await until(() => shop.server('blue1').requests.length + shop.server('blue2').requests.length === 4)
    const count = shop.server('blue2').requests.length
    expect(count).toBeGreaterThan(0)
    let isAnswered = false
    const deleted = shop.done('DELETE', `${SERVER}/blue2?wait=20s`).then((body) => {
      isAnswered = true
      return body
    })
    await until(async () => (await shop.done('GET', '/api/servers/blue2')).servers[0].state === 'leaving')
    await shop.answeredBy('blue1')
    expect([isAnswered, shop.server('blue2').requests.length]).toEqual([false, count])
    shop.held.release()
    expect(await deleted).toMatchObject({ changed: true, drained: ['blue2'], cut: 0 })
    const answers = await Promise.all(held)
    expect(answers.filter((name) => name === 'blue2')).toHaveLength(count)
    expect(answers.filter((name) => name === 'blue1')).toHaveLength(4 - count)
  })

  test('that is deleted and added again has lost its state and weight', async () => {
    await shop.done('POST', '/api/servers/blue2/disable')
    await shop.done('DELETE', `${SERVER}/blue2`)
    await shop.done('PUT', `${SERVER}/blue2`, shop.server('blue2').url)
    await until(async () => (await shop.ask()) === 'blue2')
  })

  test.each([
    ['an unknown pool', 'PUT', '/api/services/shop/pools/bleu/servers/x', 'http://127.0.0.1:1', 404, 'Unknown pool'],
    [
      'an unknown service',
      'PUT',
      '/api/services/shp/pools/blue/servers/x',
      'http://127.0.0.1:1',
      404,
      'Unknown service',
    ],
    ['an unknown server', 'DELETE', `${SERVER}/blue9`, undefined, 404, 'Unknown server'],
    ['constructor', 'DELETE', `${SERVER}/constructor`, undefined, 404, 'Unknown server'],
    ['an address with a path', 'PUT', `${SERVER}/x`, 'http://127.0.0.1:1/app', 422, 'Invalid value'],
    ['no address', 'PUT', `${SERVER}/x`, { weight: 1 }, 422, 'Invalid value'],
    ['nothing', 'PUT', `${SERVER}/x`, undefined, 422, 'Invalid value'],
    ['a bad name', 'PUT', `${SERVER}/-x`, 'http://127.0.0.1:1', 422, 'Invalid value'],
    ['unknown fields', 'PUT', `${SERVER}/x`, { url: 'http://h:1', wieght: 2 }, 422, 'Invalid value'],
    ['a body that a DELETE does not know', 'DELETE', `${SERVER}/blue1`, { url: 'http://h:1' }, 422, 'Invalid value'],
  ])('%s is refused', async (_what, method, path, body, status, title) => {
    const revision = await shop.revision()
    problem(await shop.api(method, path, body), status, title)
    expect(await shop.revision()).toBe(revision)
  })

  test('that is the last ready one is not deleted, unless forced', async () => {
    await shop.done('DELETE', `${SERVER}/blue1`)
    const { detail } = problem(await shop.api('DELETE', `${SERVER}/blue2`), 409, 'Would break a promise')
    expect(detail).toContain('with 0 of its 0 servers up, fewer than minReady (1)')
    await shop.done('DELETE', `${SERVER}/blue2?force&wait=10s`)
    expect(await shop.ask()).toBe('503')
    expect(await shop.lastEntry()).toMatchObject({ action: 'delete server', forced: true })
  })
})

describe('a pool', () => {
  const POOL = '/api/services/shop/pools'

  test('that is added is a standby, and can be switched to', async () => {
    const { url } = shop.server('green2')
    const body = await shop.done('PUT', `${POOL}/v42`, { version: '42', servers: { a: url } })
    expect(body.service.split).toEqual({ blue: 100, green: 0, v42: 0 })
    expect(body.service.pools[2]).toMatchObject({ name: 'v42', version: '42', share: 0 })
    await shop.allUp()
    await shop.done('POST', '/api/services/shop/switch?wait=10s', { to: 'v42' })
    await shop.answeredBy('green2')
  })

  test('that is replaced keeps its share, and the state of the servers that stay', async () => {
    await shop.done('POST', '/api/servers/blue1/disable')
    const servers = {
      blue1: shop.server('blue1').url,
      blue2: shop.server('blue2').url,
      more: shop.server('green1').url,
    }
    const { service } = await shop.done('PUT', `${POOL}/blue`, { version: '2', servers })
    expect(service).toMatchObject({
      split: { blue: 100 },
      pools: [{ version: '2', servers: [{ state: 'drain' }, {}, {}] }, {}],
    })
    await until(async () => (await shop.ask()) === 'green1')
    await shop.answeredBy('blue2', 'green1')
  })

  test('with traffic is not deleted; without traffic, it drains first', async () => {
    const revision = await shop.revision()
    const { detail } = problem(await shop.api('DELETE', `${POOL}/blue`), 409, 'Would break a promise')
    expect(detail).toContain('Pool blue has 100 % of the traffic of shop; switch or shift it away first.')
    expect(await shop.revision()).toBe(revision)

    const held = shop.ask('/hold')
    await until(() => shop.server('blue1').requests.length + shop.server('blue2').requests.length === 1)
    await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
    const deleted = shop.done('DELETE', `${POOL}/blue?wait=20s`)
    await until(async () => (await shop.view()).pools.length === 1)
    await shop.answeredBy('green1', 'green2')
    shop.held.release()
    expect(await held).toMatch(/^blue/)
    expect((await deleted).drained).toEqual(['blue1', 'blue2'])
  })

  test('that is deleted by force leaves its traffic to the others', async () => {
    const { service } = await shop.done('DELETE', `${POOL}/blue?wait=10s`, { force: true })
    expect(service.split).toEqual({ green: 100 })
    await shop.answeredBy('green1', 'green2')
    const { problems } = problem(await shop.api('DELETE', `${POOL}/green?force`), 422, 'Invalid value')
    expect(problems).toMatchObject([{ path: 'pools' }])
  })

  test.each([
    ['PUT', 'x', { servers: { a: 'h:1', b: 5 }, color: 'x' }, ['color', 'servers.a', 'servers.b']],
    ['PUT', 'x', { servers: ['http://h:1'] }, ['servers']],
  ])('%s %s %j is refused', async (method, pool, body, paths) => {
    const { problems } = problem(await shop.api(method, `${POOL}/${pool}`, body), 422, 'Invalid value')
    expect(problems.map((each: { path: string }) => each.path)).toEqual(paths)
  })

  test('needs a body', async () => {
    problem(await shop.api('PUT', `${POOL}/x`), 400, 'A body is needed')
    problem(await shop.api('PUT', `${POOL}/x`, ['a list']), 400, 'A body is needed')
  })
})

describe('a service', () => {
  test('that is added gets traffic by its own host, and none after it is deleted', async () => {
    const pools = { one: { servers: { green2: shop.server('green2').url } } }
    const headers = { host: 'extra.test' }
    const definition = { hosts: ['extra.test'], pools, health: { interval: '20ms' } }
    const created = await shop.done('PUT', '/api/services/extra', definition)
    expect(created.service).toMatchObject({ name: 'extra', hosts: ['extra.test'], split: { one: 100 } })
    await shop.allUp('extra')
    const asked = () => send(shop.cutover.proxy, { path: '/', headers })
    expect((await asked()).body).toBe('green2')
    const { detail } = problem(await shop.api('DELETE', '/api/services/extra'), 409, 'Would break a promise')
    expect(detail).toContain('Service extra has traffic and would be removed; no other service takes over extra.test/.')
    expect((await asked()).body).toBe('green2')
    const deleted = await shop.done('DELETE', '/api/services/extra?wait=10s', { reason: 'gone', force: true })
    expect(await shop.lastEntry('extra')).toMatchObject({ action: 'delete', forced: true })
    expect(deleted).toMatchObject({ changed: true, service: null, drained: ['green2'] })
    expect((await asked()).headers.get('x-upstream')).toMatch(/^blue/)
  })

  test('that is deleted as the last one leaves 404', async () => {
    await shop.done('DELETE', '/api/services/shop?wait=10s&force')
    expect(await shop.ask()).toBe('404')
    problem(await shop.api('DELETE', '/api/services/shop'), 404, 'Unknown service')
  })

  test('that is replaced keeps the split and the states of pools and servers that stay', async () => {
    await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent: 25 })
    await shop.done('PATCH', '/api/servers/blue1', { weight: 5 })
    const { service } = await shop.done(
      'PUT',
      '/api/services/shop',
      shop.definition({ minReady: 0, split: { green: 100 } }),
    )
    expect(service.split).toEqual({ blue: 75, green: 25 })
    expect(service.pools[0].servers[0].weight).toBe(5)
    expect(service.pools[0].servers[0].health).toBe('up')
  })

  test('that is patched changes only what is in the patch', async () => {
    const patch = { hosts: ['patched.test'], pools: { green: { version: null, servers: { green2: null } } } }
    const { detail } = problem(await shop.api('PATCH', '/api/services/shop', patch), 409, 'Would break a promise')
    expect(detail).toContain('Service shop would no longer answer to any host, path /, and no other service does.')
    const body = await shop.done('PATCH', '/api/services/shop?wait=10s&force', patch)
    expect(body.service).toMatchObject({
      hosts: ['patched.test'],
      pools: [
        { name: 'blue', version: '1.4.2', servers: [{}, {}] },
        { name: 'green', version: 'green', servers: [{ name: 'green1' }] },
      ],
    })
    expect(await shop.ask()).toBe('404')
    const answer = await send(shop.cutover.proxy, { path: '/', headers: { host: 'patched.test' } })
    expect(answer.body).toMatch(/^blue/)
    expect(await shop.lastEntry()).toMatchObject({ action: 'patch', from: {}, to: { hosts: ['patched.test'] } })
  })

  test('can be patched as application/merge-patch+json', async () => {
    const headers = { 'content-type': 'application/merge-patch+json' }
    const { changed } = await shop.done('PATCH', '/api/services/shop', { minReady: 2 }, headers)
    expect(changed).toBe(true)
    problem(await shop.api('POST', '/api/servers/blue1/disable'), 409, 'Would break a promise')
  })

  test('a patch may not remove a pool with traffic, unless forced', async () => {
    const patch = { pools: { blue: null }, split: null }
    const { detail } = problem(await shop.api('PATCH', '/api/services/shop', patch), 409, 'Would break a promise')
    expect(detail).toContain('Pool blue has 100 % of the traffic')
    await shop.done('PATCH', '/api/services/shop?force&reason=gone&wait=10s', patch)
    expect(await shop.lastEntry()).toMatchObject({ forced: true, reason: 'gone' })
    await shop.answeredBy('green1', 'green2')
  })

  test('a patch of the split in force is refused, and the answer names the command that changes it', async () => {
    const patch = { split: { blue: 95, green: 5 } }
    const { detail } = problem(await shop.api('PATCH', '/api/services/shop', patch), 422, 'Invalid value')
    expect(detail).toContain('POST /api/services/shop/shift')
    expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
  })

  test('all problems are reported at once, with the nearest names', async () => {
    const revision = await shop.revision()
    const definition = {
      balence: 'x',
      pools: { blue: { servers: { a: 'ftp://h' } }, 'a b': {} },
      split: { blue: 50 },
      timeouts: { response: 5 },
      mirror: { to: 'bleu' },
    }
    const { problems } = problem(await shop.api('PUT', '/api/services/shop', definition), 422, 'Invalid value')
    expect(problems.map((each: { path: string }) => each.path).toSorted()).toEqual(
      ['balence', 'pools.blue.servers.a', 'pools["a b"]', 'split', 'mirror.to', 'timeouts.response'].toSorted(),
    )
    const said = problems.map((each: { message: string }) => each.message).join('\n')
    for (const words of [
      'did you mean "balance"?',
      'such as http://10.0.0.1:9000',
      'must sum to 100',
      'no such pool (blue)',
    ]) {
      expect(said).toContain(words)
    }
    expect(await shop.revision()).toBe(revision)
  })

  test('with hosts and paths of another one is refused', async () => {
    const { problems } = problem(await shop.api('PUT', '/api/services/twin', shop.definition()), 422, 'Invalid value')
    expect(problems).toEqual([
      {
        path: 'services.twin',
        message: 'answers to any host, path /, as services.shop does; give each its own hosts or paths',
      },
    ])
    await shop.define({ paths: ['/twin'] }, 'twin')
    problem(await shop.api('PATCH', '/api/services/twin', { paths: ['/'] }), 422, 'Invalid value')
  })

  test.each(['-x', 'a'.repeat(64), '%F0%9F%92%A5', 'a%20b', '__proto__'])('cannot be called %s', async (name) => {
    problem(await shop.api('PUT', `/api/services/${name}`, shop.definition({ paths: ['/x'] })), 422, 'Invalid value')
  })

  test('may be called constructor', async () => {
    await shop.define({ paths: ['/c'] }, 'constructor')
    await shop.done('POST', '/api/services/constructor/switch?wait=10s')
    expect(await shop.ask('/c')).toMatch(/^green/)
    expect(await shop.lastEntry('constructor')).toMatchObject({ service: 'constructor', action: 'switch' })
  })

  test('secrets in its probes are not shown in the history', async () => {
    const headers = { authorization: 'Bearer s3cret', 'x-probe': 's3cret-too' }
    await shop.define({ health: { interval: '20ms', path: '/healthz?full&token=s3cret&x=1', headers } })
    const { to } = await shop.lastEntry()
    expect(to.health.headers).toEqual({ authorization: '(hidden)', 'x-probe': '(hidden)' })
    expect(to.health.path).toBe('/healthz?full&token=(hidden)&x=1')
    for (const path of [
      '/api/services/shop/history',
      '/api/services',
      '/api/services/shop',
      '/api/config',
      '/health',
    ]) {
      expect([path, JSON.stringify((await shop.api('GET', path)).body)]).not.toContain('s3cret')
    }
  })

  test.each([
    ['a control character', { health: { headers: { 'x-probe': 's3cret\n' } } }],
    ['a list', { health: { headers: { 'x-probe': ['s3cret'] } } }],
    ['text instead of fields', { health: { headers: 'x-probe: s3cret' } }],
    ['credentials in the address of a server', { pools: { blue: { servers: { a: 'http://me:s3cret@127.0.0.1:1' } } } }],
  ])('a secret in a definition that is refused is not repeated: %s', async (_what, changes) => {
    const answer = await shop.api('PUT', '/api/services/shop', shop.definition(changes))
    expect(JSON.stringify(problem(answer, 422, 'Invalid value'))).not.toContain('s3cret')
    expect(shop.cutover.stderr).not.toContain('s3cret')
  })

  test('a long path of a probe is searched for secrets quickly', async () => {
    await shop.define({ health: { interval: '20ms', path: `/${'auth'.repeat(100_000)}=x` } })
    const since = performance.now()
    await shop.api('GET', '/api/services/shop')
    // It took a minute, in which nothing else was answered.
    expect(performance.now() - since).toBeLessThan(3_000)
  })

  test('the text shown in place of a secret is not accepted as one', async () => {
    const health = { interval: '20ms', headers: { 'x-probe': '(hidden)' } }
    const { detail } = problem(await shop.api('PATCH', '/api/services/shop', { health }), 422, 'Invalid value')
    expect(detail).toContain('health.headers.x-probe: ')
  })
})

describe('PATCH of a server', () => {
  const patch = (body: unknown, query = '') => shop.api('PATCH', `/api/servers/blue1${query}`, body)

  test('changes weight and state, and so the traffic', async () => {
    await shop.done('PATCH', '/api/services/shop', { balance: 'roundRobin' })
    const count = async () => {
      const names: string[] = []
      for (let i = 0; i < 12; i++) names.push(await shop.ask())
      return names.filter((name) => name === 'blue1').length
    }
    const { body } = await patch({ weight: 3, reason: 'bigger' }, '?wait=10s')
    expect(body).toMatchObject({ changed: true, servers: [{ name: 'blue1', weight: 3, state: 'ready' }] })
    expect(await count()).toBe(9)
    await patch({ weight: 0 }, '?wait=10s')
    expect(await count()).toBe(0)
    expect((await patch({ weight: null }, '?wait=10s')).body.servers[0].weight).toBe(1)
    expect(await count()).toBe(6)
    expect((await patch({ state: 'maint' }, '?wait=10s')).body).toMatchObject({ drained: ['blue1'] })
    expect(await count()).toBe(0)
    expect(await shop.lastEntry()).toMatchObject({ action: 'maint', to: { 'blue/blue1': { state: 'maint' } } })
  })

  test('in maint there are no checks; out of it, a check comes before traffic', async () => {
    await patch({ state: 'maint' }, '?wait=10s')
    const { probes } = shop.server('blue1')
    const others = shop.server('blue2').probes
    await until(() => shop.server('blue2').probes >= others + 5)
    expect(shop.server('blue1').probes).toBeLessThanOrEqual(probes + 1)
    expect((await shop.done('GET', '/api/servers/blue1')).servers[0]).toMatchObject({
      state: 'maint',
      health: 'unknown',
    })
    shop.server('blue1').health = 503
    await patch({ state: 'ready' }, '?wait=10s')
    const again = shop.server('blue1').probes
    await until(() => shop.server('blue1').probes >= again + 2)
    await shop.answeredBy('blue2')
    shop.server('blue1').health = 200
    await until(async () => (await shop.ask()) === 'blue1')
  })

  test.each([
    [{}, ['']],
    [undefined, ['']],
    [{ weight: -1 }, ['weight']],
    [{ weight: 1.5 }, ['weight']],
    [{ weight: 1001 }, ['weight']],
    [{ weight: '2', state: 'off', foo: 1 }, ['foo', 'weight', 'state']],
    [{ state: 'drian' }, ['state']],
    [{ maxConnections: -1 }, ['maxConnections']],
  ])('%j is refused', async (body, paths) => {
    const revision = await shop.revision()
    const { problems } = problem(await patch(body), 422, 'Invalid value')
    expect(problems.map((each: { path: string }) => each.path)).toEqual(paths)
    expect(await shop.revision()).toBe(revision)
  })

  test('T3: a name in two services means both; ?service= and ?pool= narrow it', async () => {
    await shop.define({ paths: ['/other'] }, 'other')
    const both = await shop.done('POST', '/api/servers/blue1/disable?wait=10s')
    expect(both.servers).toMatchObject([
      { service: 'shop', state: 'drain', drained: true },
      { service: 'other', state: 'drain', drained: true },
    ])
    expect([both.service, both.drained]).toEqual([undefined, ['blue1']])
    expect([(await shop.view()).revision, (await shop.view('other')).revision]).toEqual([both.revision, both.revision])

    const one = await shop.done('POST', '/api/servers/blue1/enable?service=other')
    expect(one).toMatchObject({ servers: [{ service: 'other', state: 'ready' }], service: { name: 'other' } })
    const states = (await shop.done('GET', '/api/servers/blue1')).servers.map((each: { state: string }) => each.state)
    expect(states).toEqual(['drain', 'ready'])

    const pool = await shop.done('PATCH', '/api/servers/green1?pool=green&service=shop', { weight: 9 })
    expect(pool.servers).toMatchObject([{ service: 'shop', weight: 9 }])
    problem(await shop.api('PATCH', '/api/servers/green1?pool=blue', { weight: 9 }), 404, 'Unknown server')
    problem(await shop.api('POST', '/api/servers/blue1/enable?pool=blu'), 404, 'Unknown pool')
  })
})
