import { hostname } from 'node:os'
import { describe, expect, test } from 'vitest'
import { problem, send, useShop } from './support.ts'

const shop = useShop()

const PROBE = {
  at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
  ok: true,
  status: 200,
  ms: expect.any(Number),
  error: null,
}

function server(name: 'blue1' | 'blue2' | 'green1' | 'green2') {
  return {
    name,
    service: 'shop',
    pool: name.slice(0, -1),
    url: shop.server(name).url,
    weight: 1,
    state: 'ready',
    health: 'up',
    drained: false,
    inFlight: 0,
    lastProbe: PROBE,
  }
}

/** As lists of servers have them. */
function listed(name: 'blue1' | 'blue2' | 'green1' | 'green2') {
  return { ...server(name), inFlightByInstance: { [hostname()]: 0 } }
}

function service(revision: number) {
  return {
    name: 'shop',
    revision,
    hosts: [],
    paths: ['/'],
    split: { blue: 100, green: 0 },
    mode: 'serving',
    pools: [
      {
        name: 'blue',
        version: '1.4.2',
        share: 100,
        drained: false,
        inFlight: 0,
        up: 2,
        servers: [server('blue1'), server('blue2')],
      },
      {
        name: 'green',
        version: '1.5.0',
        share: 0,
        drained: true,
        inFlight: 0,
        up: 2,
        servers: [server('green1'), server('green2')],
      },
    ],
  }
}

describe('shapes', () => {
  test('GET /api/services, with the revision of the whole state', async () => {
    await shop.define({ paths: ['/other'] }, 'other')
    const { headers, body } = await shop.api('GET', '/api/services')
    expect(body).toEqual({ revision: expect.any(Number), services: [service(body.revision - 1), expect.anything()] })
    expect(body.services[1]).toMatchObject({ name: 'other', revision: body.revision, paths: ['/other'] })
    expect(headers.get('etag')).toBe(`"${body.revision}"`)
    expect(headers.get('content-type')).toMatch(/^application\/json/)
  })

  test('GET /api/services/{service}, with the revision that last changed it', async () => {
    const revision = await shop.revision()
    await shop.define({ paths: ['/other'] }, 'other')
    const { headers, body } = await shop.api('GET', '/api/services/shop')
    expect(body).toEqual(service(revision))
    expect(headers.get('etag')).toBe(`"${revision}"`)
  })

  test('GET /api/servers', async () => {
    const { headers, body } = await shop.api('GET', '/api/servers')
    const servers = [listed('blue1'), listed('blue2'), listed('green1'), listed('green2')]
    expect(body).toEqual({ revision: expect.any(Number), servers })
    expect(headers.get('etag')).toBe(`"${body.revision}"`)
  })

  test('GET /api/servers/{server}', async () => {
    const { headers, body } = await shop.api('GET', '/api/servers/green2')
    expect(body).toEqual({ revision: expect.any(Number), servers: [listed('green2')] })
    expect(headers.get('etag')).toBe(`"${body.revision}"`)
  })

  test('GET history, newest first, up to the limit', async () => {
    const revision = await shop.revision()
    await shop.done('POST', '/api/services/shop/shift', { to: 'green', percent: 5, reason: 'canary' })
    await shop.done('POST', '/api/services/shop/switch', { to: 'green' })
    const { headers, body } = await shop.api('GET', '/api/services/shop/history?limit=2')
    const entry = { at: expect.stringMatching(/Z$/), by: 'local', service: 'shop', forced: false }
    expect(body).toEqual({
      revision: revision + 2,
      history: [
        {
          ...entry,
          revision: revision + 2,
          action: 'switch',
          reason: null,
          from: { blue: 95, green: 5 },
          to: { green: 100 },
        },
        {
          ...entry,
          revision: revision + 1,
          action: 'shift',
          reason: 'canary',
          from: { blue: 100 },
          to: { blue: 95, green: 5 },
        },
      ],
    })
    expect(headers.get('etag')).toBe(`"${revision + 2}"`)
    const all = await shop.done('GET', '/api/services/shop/history')
    expect(all.history.slice(0, 2)).toEqual(body.history)
    expect(all.history[2]).toMatchObject({ action: 'create', from: {}, to: { split: { blue: 100 } } })
  })

  test('a removed service still has a history', async () => {
    await shop.define({ paths: ['/gone'] }, 'gone')
    await shop.done('DELETE', '/api/services/gone?force', { reason: 'no longer sold' })
    problem(await shop.api('GET', '/api/services/gone'), 404, 'Unknown service')
    const { history } = await shop.done('GET', '/api/services/gone/history')
    expect(history).toMatchObject([
      { action: 'delete', reason: 'no longer sold', from: { paths: ['/gone'] }, to: null },
      { action: 'create' },
    ])
  })

  test('a server that was taken out is up, but not counted among those that take requests', async () => {
    await shop.done('POST', '/api/servers/blue1/disable?wait=10s')
    const [blue, green] = (await shop.view()).pools
    expect(blue).toMatchObject({ up: 1, servers: [{ state: 'drain', health: 'up', drained: true }, {}] })
    expect([green.up, green.servers[0].drained]).toEqual([2, false])
  })

  test('requests in flight are counted, and a share with decimals is exact', async () => {
    await shop.done('POST', '/api/services/shop/shift', { split: { blue: 99.99, green: 0.01 } })
    const asked = shop.ask('/hold')
    await Promise.race([shop.server('blue1').arrived(1), shop.server('blue2').arrived(1)])
    const { pools, split } = await shop.view()
    expect(split).toEqual({ blue: 99.99, green: 0.01 })
    expect(pools.map((pool: { share: number; inFlight: number }) => [pool.share, pool.inFlight])).toEqual([
      [99.99, 1],
      [0.01, 0],
    ])
    const counts = pools[0].servers.map((each: { inFlight: number }) => each.inFlight)
    expect(counts.toSorted()).toEqual([0, 1])
    shop.held.release()
    expect(await asked).toMatch(/^blue/)
  })
})

describe('unknown names', () => {
  test.each([
    ['/api/services/shp', 'service', 'shp', 'shop', ['shop']],
    ['/api/services/SHOP', 'service', 'SHOP', 'shop', ['shop']],
    ['/api/services/shp/history', 'service', 'shp', 'shop', ['shop']],
    ['/api/servers/blue11', 'server', 'blue11', 'blue1', ['blue1', 'blue2', 'green1', 'green2']],
    ['/api/servers?service=hop', 'service', 'hop', 'shop', ['shop']],
    ['/api/servers/blue1?pool=gren', 'pool', 'gren', 'green', ['blue', 'green']],
    ['/api/servers/gren1?pool=green', 'server', 'gren1', 'green1', ['green1', 'green2']],
    ['/preview/shop/gren/', 'pool', 'gren', 'green', ['blue', 'green']],
    ['/preview/shp/green/', 'service', 'shp', 'shop', ['shop']],
  ])('%s', async (path, what, name, meant, known) => {
    const body = problem(await shop.api('GET', path), 404, `Unknown ${what}`)
    const detail = `There is no ${what} "${name}". Did you mean "${meant}"? Known: ${known.join(', ')}.`
    expect(body).toMatchObject({ detail, known })
  })

  test.each(['constructor', '__proto__', 'toString', '%5F%5Fproto%5F%5F'])('%s', async (name) => {
    for (const path of [`/api/services/${name}`, `/api/servers/${name}`, `/api/servers?pool=${name}`]) {
      expect((await shop.api('GET', path)).status).toBe(404)
    }
    expect((await shop.api('POST', `/api/services/${name}/switch`)).status).toBe(404)
    expect((await shop.api('GET', `/api/services/${name}/history`)).status).toBe(404)
  })

  test('a server that is in another pool is not found in this one', async () => {
    const body = problem(await shop.api('GET', '/api/servers/blue1?pool=green'), 404, 'Unknown server')
    expect(body).toMatchObject({ detail: 'There is no server "blue1". Known: green1, green2.' })
  })

  test('an unknown path is answered with the path of the documentation', async () => {
    const body = problem(await shop.api('GET', '/api/nothing'), 404, 'Not found')
    expect(body.detail).toBe('There is no GET /api/nothing here; see /docs.')
  })

  test.each([
    ['PUT', '/api/services', 'GET, HEAD'],
    ['POST', '/api/services/shop', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['GET', '/api/services/shop/switch', 'POST'],
    ['DELETE', '/api/services/shop/pools/blue/servers', null],
    ['PUT', '/api/servers/blue1/drain?wait=1s', 'POST'],
    ['OPTIONS', '/api/services/shop', 'DELETE, GET, HEAD, PATCH, PUT'],
    ['POST', '/healthz', 'GET, HEAD'],
    ['DELETE', '/api/openapi.json', 'GET, HEAD'],
  ])('%s %s: a path that is there says which methods it takes', async (method, path, allow) => {
    const answer = await shop.api(method, path)
    problem(answer, allow === null ? 404 : 405, allow === null ? 'Not found' : 'Method not allowed')
    expect(answer.headers.get('allow')).toBe(allow)
  })

  test('malformed URLs are answered with a problem document, too', async () => {
    problem(await shop.api('GET', '/api/services/%zz'), 400, 'Bad request')
    problem(await shop.api('GET', `/api/services/${'a'.repeat(600)}`), 414, 'Bad request')
  })
})

describe('queries', () => {
  test('narrow the servers', async () => {
    await shop.define({ paths: ['/other'] }, 'other')
    const names = async (query: string) =>
      (await shop.done('GET', `/api/servers${query}`)).servers.map(
        (each: { service: string; name: string }) => `${each.service}/${each.name}`,
      )
    expect(await names('?pool=green')).toEqual(['shop/green1', 'shop/green2', 'other/green1', 'other/green2'])
    expect(await names('?service=other&pool=blue')).toEqual(['other/blue1', 'other/blue2'])
    expect(await names('/blue1')).toEqual(['shop/blue1', 'other/blue1'])
    expect(await names('/blue1?service=other')).toEqual(['other/blue1'])
  })

  test.each([
    ['/api/servers?servce=shop', 'servce', 'unknown key "servce"; did you mean "service"?'],
    ['/api/services/shop/history?limit=0', 'limit', ''],
    ['/api/services/shop/history?limit=ten', 'limit', ''],
  ])('%s', async (path, at, message) => {
    const { problems } = problem(await shop.api('GET', path), 422, 'Invalid value')
    expect(problems).toMatchObject([{ path: at }])
    expect(problems[0].message).toContain(message)
  })

  test('are refused by every route that takes none, and whatever a route does not know', async () => {
    const { paths } = await shop.done('GET', '/api/openapi.json')
    const { pools } = shop.definition()
    const bodies: Record<string, unknown> = {
      'PUT /api/services/{service}': shop.definition(),
      'PATCH /api/services/{service}': { minReady: 0 },
      'PUT /api/services/{service}/pools/{pool}': pools.green,
      'PUT /api/services/{service}/pools/{pool}/servers/{server}': 'http://127.0.0.1:1',
      'PATCH /api/servers/{server}': { weight: 5 },
      'POST /api/services/{service}/rollouts/{id}/setWeight': { percent: 5 },
      'POST /api/services/{service}/shift': { to: 'green', percent: 5 },
      'POST /api/services/{service}/deploy': { servers: { green1: 'http://127.0.0.1:1' } },
    }
    const names: Record<string, string> = { service: 'shop', pool: 'green', server: 'green1', id: 'nobody' }
    const routes = Object.entries(paths as Record<string, object>)
      .filter(([path]) => !path.endsWith('/{path}'))
      .flatMap(([path, methods]) => Object.keys(methods).map((method) => ({ method: method.toUpperCase(), path })))
    expect(routes.length).toBeGreaterThan(30)
    const revision = await shop.revision()
    for (const { method, path } of [...routes, { method: 'GET', path: '/api/openapi.json' }]) {
      const url = path.replaceAll(/\{(\w+)\}/g, (_whole, name: string) => names[name] ?? '')
      const { status, body } = await shop.api(method, `${url}?bogus=1`, bodies[`${method} ${path}`])
      expect([method, path, status, body.problems?.[0]?.path]).toEqual([method, path, 422, 'bogus'])
    }
    expect(await shop.revision()).toBe(revision)
  })
})

test('HEAD answers like GET, without the body', async () => {
  const answer = await send(shop.cutover.admin, { method: 'HEAD', path: '/api/services/shop' })
  expect([answer.status, answer.body]).toEqual([200, ''])
  expect(answer.headers.get('etag')).toMatch(/^"\d+"$/)
})

test('a pool counts as up the servers that minReady counts: none of weight 0', async () => {
  await shop.done('PATCH', '/api/servers/blue1', { weight: 0 })
  expect((await shop.view()).pools[0].up).toBe(1)
  const answer = await shop.api('PATCH', '/api/servers/blue2', { weight: 0 })
  expect([answer.status, answer.body.detail]).toEqual([
    409,
    expect.stringContaining(
      'with 0 of its 2 servers up, fewer than minReady (1): blue1 has weight 0, blue2 has weight 0.',
    ),
  ])
})
