import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { BLUE, GREEN } from './app.ts'
import { expectEqual } from './equal.ts'
import { expectNoneFailed, Fleet, INSTANCES, isStale, killControl, reached, serverView, shop } from './support.ts'

let fleet: Fleet
let dataOfC: string
beforeAll(async () => {
  dataOfC = await mkdtemp(join(tmpdir(), 'cutover-fleet-'))
  fleet = await Fleet.empty({}, { persist: true })
  await Promise.all(INSTANCES.map((name) => fleet.add(name, name === 'c' ? { dataPath: dataOfC } : {})))
})
afterAll(async () => {
  await fleet?.stop()
  await rm(dataOfC, { recursive: true, force: true })
})
beforeEach(() => fleet.reset())

/** Clients at every instance, until `stop`, which expects that no request has failed. */
function loadEverywhere(): { stop(): Promise<void> } {
  const names = [...BLUE, ...GREEN]
  const loads = fleet.all.map(({ proxy }) => new Load({ url: `${proxy}/`, clients: 2, names }))
  return {
    stop: async () => {
      for (const figures of await Promise.all(loads.map((load) => load.stop()))) expectNoneFailed(figures)
    },
  }
}

/** Kills Redis, and resolves when every instance has noticed. */
async function killRedis(): Promise<void> {
  await fleet.redis.kill()
  await until(async () => (await Promise.all(fleet.all.map(isStale))).every((stale) => stale))
}

/** Resolves when every instance is current again; within two seconds, or it rejects. */
async function current(): Promise<void> {
  await until(async () => !(await Promise.all(fleet.all.map(isStale))).some((stale) => stale), 2_000)
}

function count(text: string, part: string): number {
  return text.split(part).length - 1
}

test('S4 while Redis is away nothing can be changed, all can be read as last known, and traffic flows', async () => {
  const saidBefore = fleet.all.map(({ stderr }) => count(stderr, 'the store is away'))
  const load = loadEverywhere()
  const { revision } = await shop(fleet.get('a'))
  await killRedis()
  for (const each of fleet.all) {
    for (const [path, body] of [
      ['/api/services/shop/switch', { to: 'green' }],
      ['/api/servers/blue1/drain', {}],
      ['/api/services/shop/shift?wait=2s', { to: 'green', percent: 5 }],
    ] as const) {
      const { status, body: problem, headers } = await each.api('POST', path, body)
      expect([status, problem.title]).toEqual([503, 'The store is away'])
      expect(problem.detail).toContain('Nothing was changed')
      expect(headers.get('retry-after')).toBe('1')
    }
    for (const path of [
      '/api/services',
      '/api/services/shop',
      '/api/servers',
      '/api/servers/blue1',
      '/api/instances',
    ]) {
      const { status, body } = await each.api('GET', path)
      expect([path, status, body.stale]).toEqual([path, 200, true])
    }
    expect((await each.api('GET', '/health')).body.parts.store.status).toBe('degraded')
    expect((await each.api('GET', '/ready')).status).toBe(200)
    expect(await shop(each)).toMatchObject({ revision, split: { blue: 100, green: 0 } })
  }
  await load.stop()
  await fleet.redis.restart()
  await current()
  const said = fleet.all.map(({ stderr }, i) => count(stderr, 'the store is away') - (saidBefore[i] ?? 0))
  expect(said).toEqual([1, 1, 1])
  const { status, body } = await fleet.get('b').api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect([status, body.leftOut]).toEqual([200, undefined])
  for (const each of fleet.all) expect(await reached(each)).toEqual(GREEN)
})

test('a local override made while Redis is away holds on its instance, and ends when Redis is back', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const early = await b.api('POST', '/api/servers/blue1/drain?scope=local')
  expect([early.status, early.body.title]).toEqual([409, 'Does not fit the state'])
  await killRedis()
  const shift = await b.api('POST', '/api/services/shop/shift?scope=local', { to: 'green', percent: 5 })
  expect([shift.status, shift.body.problems[0].path]).toEqual([422, 'scope'])

  const drained = await b.api('POST', '/api/servers/blue1/drain?scope=local&wait=5s', { reason: 'on fire' })
  expect([drained.status, drained.body.scope, drained.body.drained]).toEqual([200, 'local', ['blue1']])
  expect([await reached(a), await reached(b)]).toEqual([BLUE, ['blue2']])
  const shown = [{ by: 'local', reason: 'on fire', what: 'drain blue1' }]
  expect((await b.api('GET', '/api/overrides')).body.overrides).toMatchObject(shown)
  expect((await b.api('GET', '/api/services')).body.overrides).toMatchObject([{ instance: 'b', ...shown[0] }])
  expect((await a.api('GET', '/api/overrides')).body.overrides).toEqual([])
  const health = (await b.api('GET', '/health')).body
  expect([health.status, health.parts.overrides]).toEqual([
    'degraded',
    { status: 'degraded', detail: 'only here: drain blue1' },
  ])

  await killControl(b)
  expect((await b.api('GET', '/api/overrides')).body.overrides).toMatchObject(shown)
  expect(await serverView(b, 'blue1')).toMatchObject({ state: 'drain' })
  expect(await reached(b)).toEqual(['blue2'])

  const enabled = await b.api('POST', '/api/servers/blue1/enable?scope=local&wait=5s')
  expect([enabled.status, enabled.body.scope]).toEqual([200, 'local'])
  expect(await reached(b)).toEqual(BLUE)
  const moved = await b.api('POST', '/api/services/shop/switch?scope=local&wait=5s', { to: 'green' })
  expect([moved.status, moved.body.drained]).toEqual([200, ['blue']])
  expect([await reached(a), await reached(b)]).toEqual([BLUE, GREEN])

  const lifted = await b.api('DELETE', '/api/overrides')
  expect([lifted.status, lifted.body.overrides]).toEqual([200, []])
  await until(async () => `${await reached(b)}` === `${BLUE}`)

  await b.api('POST', '/api/services/shop/switch?scope=local&wait=5s', { to: 'green' })
  await fleet.redis.restart()
  await current()
  expect((await b.api('GET', '/api/overrides')).body.overrides).toEqual([])
  expect(b.stderr).toContain(
    'the store is back: the overrides of this instance have ended, the state of the store is in force',
  )
  await until(async () => `${await reached(b)}` === `${BLUE}`)
  expect((await shop(b)).split).toEqual({ blue: 100, green: 0 })
  await expectEqual(fleet)
})

test('an instance that starts while Redis is away serves what it knew last, and joins when Redis is back', async () => {
  await fleet.get('c').stop()
  const moved = await fleet.get('a').api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect(moved.status).toBe(200)
  await killRedis()
  const c = await fleet.add('c', { dataPath: dataOfC })
  expect(await reached(c)).toEqual(BLUE)
  const { body } = await c.api('GET', '/health')
  expect([body.status, body.parts.store.status]).toEqual(['degraded', 'degraded'])
  expect(body.parts.store.detail).toMatch(/^away since .*; revision \d+ is the last known$/)
  expect((await c.api('GET', '/ready')).status).toBe(200)
  expect(await shop(c)).toMatchObject({ split: { blue: 100, green: 0 } })
  expect((await c.api('GET', '/api/services')).body.stale).toBe(true)
  expect(c.stderr).toContain('starting from the last known state, revision')

  await fleet.redis.restart()
  await until(async () => (await shop(c)).split.green === 100, 2_000)
  await until(async () => `${await reached(c)}` === `${GREEN}`, 1_000)
  await fleet.settled()
  await expectEqual(fleet)
})

test('an instance that has never known a state does not start while Redis is away, and says what to do', async () => {
  await killRedis()
  const starting = fleet.add('c').then(
    () => 'started',
    (error: Error) => error.message,
  )
  const message = await starting
  await fleet.redis.restart()
  await current()
  expect(message).toContain('cutover ended with code 1 before it was ready')
  expect(message).toMatch(/the store is away \(.*\), and there is no last known state in store\.path to start from/)
  expect(message).toContain('Start Redis, or correct store.redis')
})

test('S4 when Redis is emptied under load the state is put back, and no request fails', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  await a.api('POST', '/api/services/shop/shift?wait=10s', { to: 'green', percent: 30 })
  const drained = await b.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect([drained.status, drained.body.detail]).toEqual([200, undefined])
  const before = await shop(a)
  const load = loadEverywhere()
  for (let round = 0; round < 3; round++) {
    await fleet.redis.cli('flushall')
    await until(async () => (await fleet.redis.cli('dbsize')) !== '0')
    await fleet.settled()
    for (const each of fleet.all) expect(await shop(each)).toMatchObject({ split: before.split })
    for (const each of fleet.all) {
      // Right after an outage, an instance first has to hear of the others again.
      expect(await until(async () => (await serverView(each, 'blue1')).drained, 2_000)).toBe(true)
    }
  }
  await load.stop()
  await expectEqual(fleet)
  const { status, body } = await a.api('POST', '/api/servers/blue1/enable?wait=10s')
  expect([status, body.leftOut]).toEqual([200, undefined])
})

test('a Redis that has become a read-only replica takes no write, and is said to be read-only', async () => {
  const { redis } = fleet
  const { revision } = await shop(fleet.get('a'))
  await redis.cli('replicaof', '127.0.0.1', '1')
  try {
    const answers = await Promise.all(
      fleet.all.map((each) => each.api('POST', '/api/services/shop/switch', { to: 'green' })),
    )
    for (const { status, body } of answers) {
      expect([status, body.title]).toEqual([503, 'The store is away'])
      expect(body.detail).toMatch(/read.?only/i)
      expect(body.detail).toContain('Nothing was changed')
    }
    for (const each of fleet.all) expect(await reached(each)).toEqual(BLUE)
  } finally {
    await redis.cli('replicaof', 'no', 'one')
  }
  const again = () => fleet.get('b').api('POST', '/api/services/shop/switch', { to: 'green' })
  await until(async () => (await again()).status === 200, 2_000)
  await current()
  await expectEqual(fleet)
  expect((await shop(fleet.get('c'))).revision).toBe(revision + 1)
})
