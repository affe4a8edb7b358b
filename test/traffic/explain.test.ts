import { expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { ask, blueGreen, define, health, holding, pool, raw, serverView, start, upstream } from './support.ts'

const explain = async (cutover: Cutover, query = '') => {
  const { status, body } = await cutover.api('GET', `/api/services/shop/explain${query}`)
  expect([status, body.detail]).toEqual([200, undefined])
  return body
}

const step = (body: { steps: { step: string; result: string }[] }, name: string): string[] =>
  body.steps.filter((each) => each.step === name).map(({ result }) => result)

const reasons = (body: { servers: { name: string; reason: string }[] }) =>
  Object.fromEntries(body.servers.map(({ name, reason }) => [name, reason]))

test('"traffic does not go to the new version": the pool has no share', async () => {
  const { cutover } = await blueGreen()
  const body = await explain(cutover)
  expect(body).toMatchObject({
    service: 'shop',
    pool: 'blue',
    pools: [
      { name: 'blue', share: 100, gets: 'all', reason: 'it is the only pool with a share that can take requests' },
      { name: 'green', share: 0, gets: 'none', reason: 'it has no share, and no route sends requests here' },
    ],
    servers: [
      { name: 'blue1', may: true, reason: 'it takes requests', state: 'ready', health: 'up', lastProbe: { ok: true } },
      { name: 'green1', may: false, reason: 'its pool gets no requests', health: 'up' },
    ],
  })
  expect(body.steps).toEqual([
    { step: 'service', result: 'localhost/ belongs to shop' },
    { step: 'mode', result: 'serving' },
    { step: 'split', result: 'each request by the shares: blue 100 %' },
    { step: 'balance', result: 'leastRequest in blue' },
  ])
})

test('"traffic does not go to the new version": its servers are down, drained, or weigh nothing', async () => {
  const [one, two, three] = [await upstream('one'), await upstream('two'), await upstream('three')]
  const blue = await upstream('blue1')
  const pools = { blue: pool(blue), green: pool(one, two, three) }
  const cutover = await define('shop', { pools, split: { blue: 50, green: 50 } })
  one.health = 503
  await health(cutover, 'one', 'down')
  await cutover.api('POST', '/api/servers/two/drain')
  await cutover.api('PATCH', '/api/servers/three?force', { weight: 0 })
  const body = await explain(cutover)
  expect(body.pools[1]).toMatchObject({
    gets: 'none',
    reason: 'it has 50 %, but no server that takes requests',
  })
  expect(reasons(body)).toEqual({
    blue1: 'it takes requests',
    one: 'its health check fails (status 503)',
    two: 'its state is drain, set by a person; enable it',
    three: 'its weight is 0',
  })
  expect(body.servers[1]).toMatchObject({
    since: expect.stringMatching(/^\d{4}-/),
    lastProbe: { ok: false, status: 503 },
  })
})

test('routes are told one by one, with the reason why each does not fit', async () => {
  const { cutover, green } = await blueGreen(undefined, {
    routes: [
      { name: 'staff', match: { ip: '10.0.0.0/8' }, to: 'green' },
      { name: 'beta', match: { header: { 'x-beta': '1' }, cookie: { seen: { present: false } } }, to: 'green' },
      { name: 'rest', match: { path: { prefix: '/rest' } }, to: 'blue', onUnavailable: 'fail' },
    ],
  })
  expect(step(await explain(cutover), 'routes')).toEqual([
    'route "staff": client 127.0.0.1 is not in 10.0.0.0/8',
    'route "beta": header x-beta is absent',
    'route "rest": path / is not a value that begins with "/rest"',
  ])
  const fits = await explain(cutover, '?header=X-Beta:%201')
  expect(step(fits, 'routes').at(-1)).toBe('route "beta" fits: pool green')
  expect(fits).toMatchObject({ pool: 'green', pools: [{ gets: 'none' }, { gets: 'all' }] })
  expect(reasons(fits).blue1).toBe('it could, but the request goes to another pool')
  expect(step(await explain(cutover, '?header=X-Beta:1&cookie=seen=1'), 'routes')[1]).toBe(
    'route "beta": cookie seen is present',
  )
  green.health = 503
  await health(cutover, 'green1', 'down')
  expect(step(await explain(cutover, '?ip=10.1.2.3'), 'routes')).toContain(
    'route "staff" fits, but pool green has no server that takes requests, so the split decides',
  )
})

test('a sticky cookie, and a backup', async () => {
  const [one, spare, green] = [await upstream('one'), await upstream('spare'), await upstream('green1')]
  const blue = { servers: { one: one.url, spare: { url: spare.url, backup: true } } }
  const pools = { blue, green: pool(green) }
  const shop = { pools, split: { blue: 50, green: 50 }, health: 'off', sticky: { cookie: 'at' } }
  const cutover = await start({ services: { shop } })
  const first = await ask(cutover)
  const [cookie = ''] = first.headers.getSetCookie()
  const [value = ''] = cookie.split(';')
  const body = await explain(cutover, `?cookie=${encodeURIComponent(value)}`)
  expect(body.pool).toBe(first.body === 'one' ? 'blue' : 'green')
  expect(step(body, 'sticky')).toEqual([`the cookie at keeps the client at ${first.body}`])
  expect(step(body, 'balance')).toEqual([])
  expect(step(await explain(cutover), 'sticky')).toEqual(['the client has no cookie at; it gets one'])
  const forged = await explain(cutover, '?cookie=at=x')
  expect(step(forged, 'sticky')[0]).toContain('the cookie at names no server that may take it')
  expect(reasons(forged).spare).toBe('it is a backup, and another server of its pool is up')
})

test('conditions on secrets are not shown', async () => {
  const routes = [{ name: 'key', match: { header: { 'x-api-key': 'topsecret' } }, to: 'green' }]
  const { cutover } = await blueGreen(undefined, { routes })
  expect(step(await explain(cutover, '?header=x-api-key:guess'), 'routes')).toEqual([
    'route "key": header x-api-key is not as wanted',
  ])
})

test('a client is told its pool, and the share from which on it would be in another; both are true', async () => {
  const { cutover } = await blueGreen(undefined, { splitBy: 'header:x-user', split: { blue: 90, green: 10 } })
  for (const user of ['ann', 'bob', 'eve', 'kim', 'lea', 'max', 'noa', 'tom']) {
    const body = await explain(cutover, `?header=X-User:${user}`)
    const answer = await ask(cutover, '/', { headers: { 'x-user': user } })
    expect(answer.body).toBe(`${body.pool}1`)
    const { from } = body.pools[1]
    for (const [percent, expected] of [
      [Math.min(100, from), 'green'],
      [Math.max(0, Math.floor(from * 100 - 1) / 100), 'blue'],
    ] as const) {
      await cutover.api('POST', '/api/services/shop/shift?wait=5s', { to: 'green', percent })
      expect((await explain(cutover, `?header=X-User:${user}`)).pool, `${user} at ${percent}`).toBe(expected)
    }
    await cutover.api('POST', '/api/services/shop/shift?wait=5s', { to: 'green', percent: 10 })
  }
  expect(step(await explain(cutover), 'split')).toEqual([
    'the client has no header x-user, so each of its requests by the shares: blue 90 %, green 10 %',
  ])
})

test('a client without the cookie is told that it gets one', async () => {
  const { cutover } = await blueGreen(undefined, { splitBy: 'cookie', split: { blue: 90, green: 10 } })
  const body = await explain(cutover)
  expect(step(body, 'split')[0]).toContain('the client has no cookie cutover_id; it gets one')
  expect(body).toMatchObject({ pool: null, pools: [{ gets: 'share' }, { gets: 'share' }] })
})

test('a service that is paused, full servers, and hosts that belong to nobody', async () => {
  const { handler, held, release } = holding()
  const blue = await upstream('blue1', handler)
  const cutover = await start({
    services: {
      shop: {
        hosts: ['shop.test'],
        paths: ['/a'],
        pools: { blue: pool(blue) },
        health: 'off',
        connections: { perServer: 1 },
      },
    },
  })
  const connection = await raw(cutover)
  const asked = connection.ask(['GET /a HTTP/1.1', 'Host: shop.test'])
  await until(() => held.length === 1)
  const body = await explain(cutover)
  expect(step(body, 'service')).toEqual(['shop.test/a belongs to shop by its path /a'])
  expect(body.servers[0]).toMatchObject({ may: false, reason: 'it has reached its limit of 1 requests' })
  release()
  await asked
  const other = await explain(cutover, '?host=other.test&path=/')
  expect(step(other, 'service')).toEqual(['other.test/ does not belong to shop: no service answers to it'])
  const any = await cutover.api('GET', '/api/explain?host=other.test&path=/')
  expect(any.body).toMatchObject({ service: null, pool: null, servers: [] })
  expect(step(any.body, 'service')).toEqual(['no service answers to other.test/: 404'])
  await cutover.api('POST', '/api/services/shop/pause?wait=5s', { for: '5s' })
  const paused = await explain(cutover)
  expect(step(paused, 'mode')).toEqual(['paused: requests are held for up to 5 s, until someone resumes the service'])
  expect(paused.servers[0]).toMatchObject({ may: false, reason: 'its service is paused' })
})

test('an ejected server is told since when and until when; then, that a request tries it', async () => {
  const bad = await upstream('bad', (_request, response) => response.writeHead(500).end())
  const good = await upstream('good')
  const passive = { maxFails: 1, failTimeout: '1h' }
  const cutover = await define('shop', { pools: { blue: pool(bad, good) }, balance: 'roundRobin', passive })
  const began = Date.now()
  while ((await ask(cutover)).status !== 500);
  await until(async () => (await serverView(cutover, 'bad')).health === 'ejected')
  const [out, up] = (await explain(cutover)).servers
  expect(out.reason).toMatch(/^it is ejected, because requests have failed there; one request tries it in 3[56]\d\d s$/)
  expect(out).toMatchObject({ may: false, health: 'ejected', lastProbe: { ok: true } })
  // Times are rounded, and each answer works them out anew.
  expect(Date.parse(out.since)).toBeGreaterThanOrEqual(began - 2)
  expect(Math.abs(Date.parse(out.ejectedUntil) - Date.parse(out.since) - 3_600_000)).toBeLessThanOrEqual(2)
  expect(up).toMatchObject({ may: true, health: 'up', reason: 'it takes requests' })
  expect(up.ejectedUntil).toBeUndefined()
  await cutover.api('PATCH', '/api/services/shop', { passive: { failTimeout: '200ms' } })
  const trying = await until(async () => {
    const [server] = (await explain(cutover)).servers
    return server.ejectedUntil === undefined && server
  })
  expect(trying.health).toBe('ejected')
  expect(trying.reason).toMatch(/one request (tries it now|that tries it)$/)
  expect(Math.abs(Date.parse(trying.since) - Date.parse(out.since))).toBeLessThanOrEqual(2)
})

test('bad questions are refused with their path', async () => {
  const { cutover } = await blueGreen()
  for (const [query, path] of [
    ['?header=x', 'header'],
    ['?cookie=x', 'cookie'],
    ['?ip=here', 'ip'],
    ['?path=cart', 'path'],
    ['?hots=a', 'hots'],
  ] as const) {
    const { status, body } = await cutover.api('GET', `/api/services/shop/explain${query}`)
    expect([status, body.problems[0].path]).toEqual([422, path])
  }
  expect((await cutover.api('GET', '/api/services/shpo/explain')).status).toBe(404)
})
