import { describe, expect, test } from 'vitest'
import type { Answer, Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { until } from '../support/until.ts'
import { freePort, startRawUpstream, type Upstream } from '../support/upstream.ts'
import { ask, blueGreen, define, HEALTH, holding, pool, poolView, start, upstream, watched } from './support.ts'

const DEPLOY = '/api/services/shop/deploy'

function servers(...of: readonly Upstream[]) {
  return pool(...of).servers
}

async function deploy(cutover: Cutover, body: object, headers: Record<string, string> = {}): Promise<Answer> {
  return cutover.api('POST', DEPLOY, { timeout: '10s', ...body }, headers)
}

/** The definition, routing and runtime state of `shop`; everything that a failed deploy has to leave as it was. */
async function standing(cutover: Cutover) {
  const [{ body: view }, { body: definition }] = await Promise.all([
    cutover.api('GET', '/api/services/shop'),
    cutover.api('GET', '/api/services/shop/definition'),
  ])
  const states = view.pools.flatMap((each: { servers: { name: string; state: string; weight: number }[] }) =>
    each.servers.map(({ name, state, weight }) => [name, state, weight]),
  )
  return { written: definition.written, split: view.split, states, deploying: view.deploying }
}

async function history(cutover: Cutover) {
  const { body } = await cutover.api('GET', '/api/services/shop/history')
  return body.history.map(({ action, by, reason, forced }: Record<string, unknown>) => ({ action, by, reason, forced }))
}

/** A deploy that waits for its server `green9`, which fails its checks until the test sets `slow.health`. */
async function waitingDeploy(cutover: Cutover, body: object = {}) {
  const slow = await upstream('green9')
  slow.health = 503
  const call = deploy(cutover, { servers: servers(slow), ...body })
  const deploying = await until(async () => (await standing(cutover)).deploying)
  return { slow, call, deploying }
}

/** A service `shop` with a request in flight at its server `blue1`, and a server for a deploy. */
async function busyShop() {
  const { handler, held, release } = holding()
  const { cutover } = await blueGreen(handler)
  const asked = ask(cutover)
  await until(() => held.length > 0)
  return { cutover, asked, release, green: await upstream('green9') }
}

test('puts the servers there, switches once they are up, and answers when the old pool is idle, with the times', async () => {
  const { cutover, blue } = await blueGreen()
  const green = await upstream('green9')
  const { status, body, headers } = await deploy(cutover, {
    version: '2',
    servers: servers(green),
    reason: 'release 2',
  })
  expect([status, body.detail]).toEqual([200, undefined])
  expect(body).toMatchObject({ changed: true, drained: ['blue'], cut: 0 })
  expect(body.deploy).toMatchObject({ pool: 'green', version: '2', from: ['blue'] })
  for (const ms of Object.values(body.deploy.times)) expect(ms).toBeGreaterThanOrEqual(0)
  expect(body.service).toMatchObject({ revision: body.revision, split: { blue: 0, green: 100 } })
  expect(headers.get('etag')).toBe(`"${body.revision}"`)
  expect(await ask(cutover)).toMatchObject({ status: 200, body: 'green9' })
  expect((await poolView(cutover, 'green')).servers.map(({ name }: { name: string }) => name)).toEqual(['green9'])
  expect((await history(cutover)).slice(0, 2)).toEqual([
    { action: 'finish deploy', by: 'local', reason: 'release 2', forced: false },
    { action: 'begin deploy', by: 'local', reason: 'release 2', forced: false },
  ])
  // Back to the pool that has no share now.
  expect((await deploy(cutover, { servers: servers(blue) })).body.deploy).toMatchObject({
    pool: 'blue',
    from: ['green'],
  })
})

test('into a new pool of a service with one', async () => {
  const [old, fresh] = [await upstream('v1'), await upstream('v2')]
  const cutover = await define('shop', { pools: { v1: pool(old) } })
  const named = await deploy(cutover, { servers: servers(fresh) })
  expect([named.status, named.body.problems[0].path]).toEqual([422, 'pool'])
  const { status, body } = await deploy(cutover, { pool: 'v2', servers: servers(fresh) })
  expect([status, body.deploy.version, body.deploy.from]).toEqual([200, 'v2', ['v1']])
  expect((await ask(cutover)).body).toBe('v2')
})

describe('a deploy that fails leaves everything as it was, and says why:', () => {
  test.each([
    ['refuses connections', /green1 is (unknown|down) \(.+\)/],
    ['fails its checks', /green1 is (unknown|down) \(status 503\)/],
    ['hangs', /green1 is (unknown|down|not checked yet)/],
  ])('a server %s', async (kind, detail) => {
    const { cutover, blue } = await blueGreen()
    await cutover.api('PATCH', '/api/servers/green1', { weight: 3 })
    const before = await standing(cutover)
    const failing = await upstream('failing')
    failing.health = 503
    const silent = await startRawUpstream(() => undefined)
    atEnd(() => silent.close())
    const urls: Record<string, string> = {
      'refuses connections': `http://127.0.0.1:${await freePort()}`,
      'fails its checks': failing.url,
      hangs: silent.url,
    }
    const good = await upstream('good')
    const broken = { green1: urls[kind], good: good.url }
    const { status, body } = await deploy(cutover, { servers: broken, timeout: '300ms' })
    expect([status, body.title]).toEqual([504, 'Not up in time'])
    expect(body.detail).toMatch(detail)
    expect(body.detail).toContain('The traffic is untouched, and pool green is as it was before.')
    expect(body.servers).toHaveLength(1)
    expect(body.servers[0]).toMatchObject({ name: 'green1', url: urls[kind] })
    if (kind !== 'hangs') expect(body.servers[0].lastProbe).toMatchObject({ ok: false })
    expect(await standing(cutover)).toEqual(before)
    expect(body.revision).toBe((await cutover.api('GET', '/api/services')).body.revision)
    expect((await ask(cutover)).body).toBe(blue.name)
    const [last] = await history(cutover)
    expect(last).toMatchObject({ action: 'abandon deploy', by: 'local', reason: expect.stringContaining('green1') })
  })

  test('a pool that it has created is gone again, and the definition has no split that it did not have', async () => {
    const blue = await upstream('blue1')
    const cutover = await define('shop', { pools: { blue: pool(blue) } })
    const before = await standing(cutover)
    const broken = { green1: `http://127.0.0.1:${await freePort()}` }
    expect((await deploy(cutover, { pool: 'green', servers: broken, timeout: '200ms' })).status).toBe(504)
    expect(await standing(cutover)).toEqual(before)
    expect(Object.keys(before.written.pools)).toEqual(['blue'])
  })

  test('the state of a server that the deploy does not have', async () => {
    const { cutover } = await blueGreen()
    await cutover.api('POST', '/api/servers/green1/drain')
    const before = await standing(cutover)
    const broken = { green2: `http://127.0.0.1:${await freePort()}` }
    expect((await deploy(cutover, { servers: broken, timeout: '200ms' })).status).toBe(504)
    expect(await standing(cutover)).toEqual(before)
  })
})

test('a server at an address that was up before must pass a check that began after the deploy', async () => {
  const blue = await upstream('blue1')
  const green = await upstream('green1')
  // So rarely that no check in between changes what is known: only those that the deploy asks for.
  const pools = { blue: pool(blue), green: pool(green) }
  const cutover = await define('shop', { pools, split: { blue: 100 }, health: { interval: '1h' } })
  green.health = 503
  const failed = await deploy(cutover, { servers: servers(green), timeout: '500ms' })
  expect([failed.status, failed.body.servers[0].health]).toEqual([504, 'up'])
  expect(failed.body.detail).toContain('green1 has failed its last check (status 503)')
  green.health = 200
  const { status, body } = await deploy(cutover, { servers: servers(green) })
  expect([status, body.detail]).toEqual([200, undefined])
})

test('without health checks, the servers count as up', async () => {
  const { cutover } = await blueGreen(undefined, { health: 'off' })
  const green = await upstream('green9')
  expect((await deploy(cutover, { servers: servers(green) })).status).toBe(200)
  expect((await ask(cutover)).body).toBe('green9')
})

describe('two deploys of a service', () => {
  test('the second is refused, the running one is shown', async () => {
    const { cutover } = await blueGreen()
    const { slow, call, deploying } = await waitingDeploy(cutover)
    expect(deploying).toEqual({
      id: expect.any(String),
      pool: 'green',
      by: 'local',
      at: expect.stringMatching(/^20.*Z$/),
    })
    const { status, body } = await deploy(cutover, { servers: servers(slow) })
    expect([status, body.title]).toEqual([409, 'Does not fit the state'])
    expect(body.detail).toContain(`local has been deploying shop to pool green since ${deploying.at}`)
    expect(body.detail).toContain('"replace": true')
    slow.health = 200
    expect((await call).status).toBe(200)
    expect((await standing(cutover)).deploying).toBeUndefined()
  })

  test('of two at once, one is refused', async () => {
    const { cutover } = await blueGreen()
    const both = [await upstream('green8'), await upstream('green9')]
    for (const each of both) each.health = 503
    const calls = both.map((each) => watched(deploy(cutover, { servers: servers(each) })))
    await until(() => calls.some(({ settled }) => settled))
    for (const each of both) each.health = 200
    const answers = await Promise.all(calls.map(({ promise }) => promise))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409])
    const winner = both[answers.findIndex(({ status }) => status === 200)]
    expect((await ask(cutover)).body).toBe(winner?.name)
  })

  test.each(['green', 'violet'])('with replace, the second to %s ends the first, which is told', async (to) => {
    const { cutover } = await blueGreen()
    const before = await standing(cutover)
    const { call } = await waitingDeploy(cutover)
    const other = await upstream('other')
    const second = await deploy(cutover, { pool: to, servers: servers(other), replace: true })
    const told = await call
    expect([told.status, told.body.title]).toEqual([409, 'Replaced by another deploy'])
    expect(told.body.detail).toContain(`local has deployed to pool ${to} of shop instead`)
    expect([second.status, second.body.detail]).toEqual([200, undefined])
    expect((await ask(cutover)).body).toBe('other')
    const { written } = await standing(cutover)
    if (to === 'violet') expect(written.pools.green).toEqual(before.written.pools.green)
    else expect(Object.keys(written.pools.green.servers)).toEqual(['other'])
  })

  test('if the second fails as well, the pool is as it was before the first', async () => {
    const { cutover } = await blueGreen()
    const before = await standing(cutover)
    const { slow, call } = await waitingDeploy(cutover)
    const second = await deploy(cutover, { servers: servers(slow), version: '3', timeout: '200ms', replace: true })
    expect([(await call).status, second.status]).toEqual([409, 504])
    expect(await standing(cutover)).toEqual(before)
  })
})

describe('requests in flight at the old pool', () => {
  test('are waited for, and cut with `drain`', async () => {
    const { cutover, asked, green } = await busyShop()
    const { status, body } = await deploy(cutover, { servers: servers(green), drain: '100ms' })
    expect([status, body.drained, body.cut]).toEqual([200, ['blue'], 1])
    expect((await asked).status).toBe(504)
  })

  test('may outlive the deploy, which is done', async () => {
    const { cutover, asked, release, green } = await busyShop()
    const { status, body } = await deploy(cutover, { servers: servers(green), timeout: '500ms' })
    expect([status, body.drained]).toEqual([200, []])
    expect(body.missing).toEqual({ lagging: [], underWay: [{ name: 'blue', inFlight: 1 }] })
    expect(body.deploy.times).toMatchObject({ applied: expect.any(Number), idle: null })
    release()
    expect(await asked).toMatchObject({ status: 200, body: 'blue1' })
  })

  test('with ?wait=, 504 tells that the deploy stands', async () => {
    const { cutover, asked, release, green } = await busyShop()
    const { status, body } = await cutover.api('POST', `${DEPLOY}?wait=200ms`, { servers: servers(green) })
    expect([status, body.title]).toEqual([504, 'Not yet everywhere'])
    expect(body.missing.underWay).toEqual([{ name: 'blue', inFlight: 1 }])
    expect((await standing(cutover)).split).toEqual({ blue: 0, green: 100 })
    release()
    await asked
  })
})

describe('refuses, and changes nothing:', () => {
  const GOOD = { green1: 'http://127.0.0.1:9' }
  test.each([
    ['an address that is none', 422, { servers: { green1: 'nonsense' } }, 'servers.green1'],
    [
      'a weight that is none',
      422,
      { servers: { green1: { url: 'http://127.0.0.1:9', weight: -1 } } },
      'servers.green1.weight',
    ],
    ['no servers', 422, {}, 'servers'],
    ['servers that are none', 422, { servers: {} }, 'servers'],
    ['a version that is none', 422, { servers: GOOD, version: '' }, 'version'],
    ['the name of a pool that cannot be one', 422, { servers: GOOD, pool: 'gr een' }, 'pool'],
    [
      'a certificate file that does not exist',
      422,
      { servers: { green1: { url: 'https://127.0.0.1:9', tls: { ca: '/nowhere.pem' } } } },
      'servers.green1.tls.ca',
    ],
    ['a timeout that is none', 422, { servers: GOOD, timeout: 'soon' }, 'timeout'],
    ['an unknown key', 422, { servers: GOOD, poll: 'green' }, 'poll'],
    ['a pool with a share', 409, { servers: GOOD, pool: 'blue' }, 'Pool blue has 100 % of the traffic of shop'],
    ['a server in drain', 409, { servers: GOOD }, 'Server green1 of pool green is in drain', 'green1'],
  ] as const)('%s', async (_what, status, body, where, drained?: string) => {
    const { cutover } = await blueGreen()
    if (drained !== undefined) await cutover.api('POST', `/api/servers/${drained}/drain`)
    const [before, revision] = [await standing(cutover), (await cutover.api('GET', '/api/services')).body.revision]
    const answer = await deploy(cutover, body)
    expect(answer.status).toBe(status)
    if (status === 422) expect(answer.body.problems.map(({ path }: { path: string }) => path)).toEqual([where])
    else expect(answer.body.detail).toContain(where)
    expect(await standing(cutover)).toEqual(before)
    expect((await cutover.api('GET', '/api/services')).body.revision).toBe(revision)
  })

  test('an unknown service, a stale If-Match, too few servers, and a pool that a route needs', async () => {
    const { cutover } = await blueGreen(undefined, {
      minReady: 2,
      routes: [{ name: 'beta', match: { header: { 'x-beta': '1' } }, to: 'green' }],
    })
    const green = await upstream('green9')
    const revision = async () => (await cutover.api('GET', '/api/services')).body.revision
    const before = await revision()
    expect((await cutover.api('POST', '/api/services/shap/deploy', { servers: GOOD })).status).toBe(404)
    expect((await deploy(cutover, { servers: servers(green) }, { 'if-match': '"0"' })).status).toBe(412)
    const routed = await deploy(cutover, { servers: servers(green) })
    expect([routed.status, routed.body.title]).toEqual([409, 'Would break a promise'])
    expect(routed.body.detail).toContain('A route sends requests to pool green')
    const few = await deploy(cutover, { pool: 'violet', servers: servers(green) })
    expect(few.body.detail).toContain('Pool violet would have 1 of the servers that minReady asks for (2)')
    expect(await revision()).toBe(before)
    const forced = await deploy(cutover, { servers: servers(green), force: true })
    expect([forced.status, forced.body.detail]).toEqual([200, undefined])
    expect((await history(cutover))[0]).toMatchObject({ action: 'finish deploy', forced: true })
  })
})

describe('other requests meanwhile', () => {
  test('a change of the pool ends the deploy, and stays', async () => {
    const { cutover } = await blueGreen()
    const { call } = await waitingDeploy(cutover)
    const other = await upstream('other')
    await cutover.api('PUT', '/api/services/shop/pools/green/servers/other', { url: other.url })
    const told = await call
    expect([told.status, told.body.title]).toEqual([409, 'Ended by another request'])
    const { written, deploying } = await standing(cutover)
    expect([Object.keys(written.pools.green.servers), deploying]).toEqual([['green9', 'other'], undefined])
  })

  test('a switch to the pool by hand ends the deploy, and stays', async () => {
    const { cutover } = await blueGreen()
    const { call } = await waitingDeploy(cutover)
    await cutover.api('POST', '/api/services/shop/switch', { to: 'green', force: true })
    expect((await call).status).toBe(409)
    const { written, split } = await standing(cutover)
    expect([Object.keys(written.pools.green.servers), split]).toEqual([['green9'], { blue: 0, green: 100 }])
  })

  test('other changes of the service stay, whether the deploy fails or not', async () => {
    const { cutover } = await blueGreen()
    const { call } = await waitingDeploy(cutover, { timeout: '500ms' })
    await cutover.api('PATCH', '/api/services/shop', { balance: 'roundRobin' })
    expect((await call).status).toBe(504)
    const { written } = await standing(cutover)
    expect([written.balance, Object.keys(written.pools.green.servers)]).toEqual(['roundRobin', ['green1']])
  })

  test('removing the service ends the deploy, and nothing is left of it', async () => {
    const { cutover } = await blueGreen()
    const before = await standing(cutover)
    const { call } = await waitingDeploy(cutover)
    await cutover.api('DELETE', '/api/services/shop?force')
    const told = await call
    expect([told.status, told.body.detail]).toEqual([409, expect.stringContaining('shop was removed')])
    await cutover.api('PUT', '/api/services/shop', before.written)
    expect((await standing(cutover)).deploying).toBeUndefined()
  })
})

describe('Idempotency-Key', () => {
  let used = 0
  const key = () => ({ 'idempotency-key': `release-${++used}` })

  test('a repetition after success is answered as the first call was', async () => {
    const { cutover, blue } = await blueGreen()
    const green = await upstream('green9')
    const headers = key()
    const first = await deploy(cutover, { servers: servers(green) }, headers)
    const again = await deploy(cutover, { servers: servers(green) }, headers)
    expect([again.status, again.body]).toEqual([200, first.body])
    expect(again.headers.get('idempotency-replayed')).toBe('true')
    expect((await deploy(cutover, { servers: servers(blue) }, headers)).status).toBe(422)
    expect((await ask(cutover)).body).toBe('green9')
  })

  test('a repetition meanwhile waits for the first call, and is answered like it', async () => {
    const { cutover } = await blueGreen()
    const green = await upstream('green9')
    green.health = 503
    const headers = key()
    const body = { servers: servers(green), replace: true }
    const first = deploy(cutover, body, headers)
    const { id } = await until(async () => (await standing(cutover)).deploying)
    const again = watched(deploy(cutover, body, headers))
    // Any other call is decided at once; this one has been received before the next answer.
    expect((await deploy(cutover, { ...body, replace: false })).status).toBe(409)
    expect([again.settled, (await standing(cutover)).deploying.id]).toEqual([false, id])
    green.health = 200
    const answers = [await first, await again.promise]
    expect(answers.map(({ status }) => status)).toEqual([200, 200])
    expect(new Set(answers.map(({ body: { revision } }) => revision)).size).toBe(1)
    expect((await history(cutover)).slice(0, 3).map(({ action }: { action: string }) => action)).toEqual([
      'finish deploy',
      'begin deploy',
      'create',
    ])
  })

  test('a repetition after a failure tries again', async () => {
    const { cutover } = await blueGreen()
    const green = await upstream('green9')
    green.health = 503
    const headers = key()
    const body = { servers: servers(green), timeout: '300ms' }
    expect((await deploy(cutover, body, headers)).status).toBe(504)
    green.health = 200
    expect((await deploy(cutover, body, headers)).status).toBe(200)
  })
})

test('a client that hangs up does not end the deploy', async () => {
  const { cutover } = await blueGreen()
  const slow = await upstream('green9')
  slow.health = 503
  const client = new AbortController()
  const call = fetch(`${cutover.admin}${DEPLOY}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ servers: servers(slow) }),
    signal: client.signal,
  })
  await until(async () => (await standing(cutover)).deploying)
  client.abort()
  await expect(call).rejects.toThrow()
  slow.health = 200
  await until(async () => (await standing(cutover)).split.green === 100)
  expect((await ask(cutover)).body).toBe('green9')
})

test('an instance that is told to end restores the pool first, and tells the caller', async () => {
  const [blue, green] = [await upstream('blue1'), await upstream('green1')]
  const services = { shop: { pools: { blue: pool(blue), green: pool(green) }, split: { blue: 100 }, health: HEALTH } }
  const cutover = await start({ services })
  const { call } = await waitingDeploy(cutover)
  cutover.process.kill('SIGTERM')
  const { status, body } = await call
  expect([status, body.title]).toEqual([503, 'The instance is shutting down'])
  expect(body.detail).toContain('pool green is as it was before')
  expect((await cutover.exited).code).toBe(0)
  const next = await start({ services, dataPath: cutover.dataPath })
  const { written, deploying } = await standing(next)
  expect([Object.keys(written.pools.green.servers), deploying]).toEqual([['green1'], undefined])
})
