import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { BLUE, GREEN } from './app.ts'
import {
  ask,
  Fleet,
  hold,
  INSTANCES,
  instanceView,
  killControl,
  killWhole,
  liveNames,
  pids,
  reached,
  serverView,
  shop,
  timed,
} from './support.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.start()
  const impatient = fleet.app.service({ paths: ['/cut'], drain: { timeout: '500ms' } })
  const { status } = await fleet.get('a').api('PUT', '/api/services/impatient?wait=10s', impatient)
  expect(status).toBe(200)
  await fleet.settled()
})
afterAll(() => fleet?.stop())
beforeEach(() => fleet.reset())

test('a switch that was waited for is in force in every worker of every instance', async () => {
  const pools = { blue: BLUE, green: GREEN }
  for (let round = 0; round < 12; round++) {
    const [to, from] = round % 2 === 0 ? (['green', 'blue'] as const) : (['blue', 'green'] as const)
    const at = fleet.get(INSTANCES[round % 3] ?? 'a')
    const { status, body } = await at.api('POST', '/api/services/shop/switch?wait=10s', { to })
    expect([status, body.drained, body.leftOut]).toEqual([200, [from], undefined])
    const before = fleet.app.count(pools[from])
    const answers = await Promise.all(fleet.all.map((each) => reached(each)))
    expect(answers).toEqual([pools[to], pools[to], pools[to]])
    expect(fleet.app.count(pools[from])).toBe(before)
  }
})

test('what is drained has no requests in flight in the same answer, at any instance', async () => {
  const [a, b, c] = [fleet.get('a'), fleet.get('b'), fleet.get('c')]
  for (let round = 0; round < 5; round++) {
    const asked = await hold(fleet, b, 'blue1', 1)
    // A heartbeat has told of the request.
    await until(async () => (await serverView(c, 'blue1')).inFlight === 1)
    expect((await a.api('POST', '/api/services/shop/switch', { to: 'green' })).status).toBe(200)
    expect((await a.api('POST', '/api/servers/blue1/drain')).status).toBe(200)
    fleet.app.release()
    await Promise.all(asked)
    await Promise.all(
      [a, c].map(async (at) => {
        const drained = await until(async () => {
          const view = await serverView(at, 'blue1')
          return view.drained ? view : null
        })
        expect(drained).toMatchObject({ inFlight: 0, inFlightByInstance: { a: 0, b: 0, c: 0 } })
        const { pools } = (await at.api('GET', '/api/services/shop')).body
        const blue = pools.find(({ name }: { name: string }) => name === 'blue')
        expect(blue).toMatchObject({ drained: true, inFlight: 0 })
      }),
    )
    await fleet.reset()
  }
})

test('a drain waits for a request under way at another instance, and says where it is', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const asked = await hold(fleet, b, 'blue1', 1)
  // Long enough for it to be in force everywhere, on a busy machine as well.
  const short = await a.api('POST', '/api/servers/blue1/drain?wait=1s')
  expect(short.status).toBe(504)
  expect(short.body.missing).toMatchObject({ lagging: [], underWay: [{ name: 'blue1', inFlight: 1, at: ['b'] }] })
  expect(short.body.detail).toContain('blue1 has 1 request in flight at b')
  for (const each of fleet.all) {
    expect(await serverView(each, 'blue1')).toMatchObject({ state: 'drain', drained: false })
  }

  const waiting = timed(a.api('POST', '/api/servers/blue1/drain?wait=10s'))
  await until(async () => (await serverView(a, 'blue1')).state === 'drain')
  const releasedAt = performance.now()
  fleet.app.release()
  const { status, body, at } = await waiting
  expect([status, body.drained, body.cut]).toEqual([200, ['blue1'], 0])
  expect(at - releasedAt).toBeLessThan(200)
  for (const each of fleet.all) await until(async () => (await serverView(each, 'blue1')).drained, 500)
  for (const answer of await Promise.all(asked)) expect(answer.status).toBe(200)
})

test('a drain at one instance is in force for connections that are open at another', async () => {
  const { body } = await fleet.get('c').api('POST', '/api/servers/blue2/drain?wait=10s')
  expect(body.drained).toEqual(['blue2'])
  const before = fleet.app.count(['blue2'])
  for (const each of fleet.all) expect(await reached(each)).toEqual(['blue1'])
  expect(fleet.app.count(['blue2'])).toBe(before)
})

test('requests that are cut at another instance are counted where the drain is waited for', async () => {
  const [a, b, c] = INSTANCES.map((name) => fleet.get(name)) as [Cutover, Cutover, Cutover]
  const asked = [
    ...(await hold(fleet, b, 'blue1', 2, '/cut/hold')),
    ...(await hold(fleet, c, 'blue1', 1, '/cut/hold')),
    ...(await hold(fleet, a, 'blue1', 1, '/cut/hold')),
  ]
  const elsewhere = fleet.app.held('blue2')
  const held = asked.length - elsewhere
  const { status, body } = await a.api('POST', '/api/servers/blue1/drain?service=impatient&wait=10s')
  expect([status, body.drained, body.cut]).toEqual([200, ['blue1'], held])
  fleet.app.release()
  const answers = await Promise.all(asked)
  expect(answers.filter((answer) => answer.status === 504)).toHaveLength(held)
  expect(answers.filter((answer) => answer.status === 200)).toHaveLength(elsewhere)
})

test('requests under way are summed over the fleet, and shown by instance', async () => {
  await hold(fleet, fleet.get('a'), 'blue1', 1)
  await hold(fleet, fleet.get('b'), 'blue1', 2)
  const byInstance = { a: 1, b: 2, c: 0 }
  for (const each of fleet.all) {
    // Another instance's figures are as of its last heartbeat.
    await until(async () => (await serverView(each, 'blue1')).inFlight === 3, 3_000)
    expect((await serverView(each, 'blue1')).inFlightByInstance).toEqual(byInstance)
    const blue = (await shop(each)).pools.find(({ name }: { name: string }) => name === 'blue')
    expect(blue.inFlight).toBe(fleet.app.held())
  }
})

test('S6 an instance whose control process hangs is waited for, then left out, and catches up', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const [control = 0] = await pids(b, 'control')
  process.kill(control, 'SIGSTOP')
  try {
    const fresh = await a.api('POST', '/api/services/shop/switch?wait=500ms', { to: 'green' })
    expect([fresh.status, fresh.body.missing]).toMatchObject([504, { lagging: ['b'], underWay: [] }])
    expect(fresh.body.detail).toContain('b has not applied it')

    const left = await timed(a.api('POST', '/api/services/shop/switch?wait=15s', { to: 'green' }))
    expect([left.status, left.body.leftOut]).toEqual([200, ['b']])
    expect(left.ms).toBeLessThan(5_000)
    expect(await instanceView(a, 'b')).toMatchObject({ live: false, self: false })
    // Its workers go on as they were told last.
    expect(await reached(b)).toEqual(BLUE)
    expect((await a.api('POST', '/api/servers/green1/drain?wait=5s')).body).toMatchObject({ drained: ['green1'] })
  } finally {
    process.kill(control, 'SIGCONT')
  }
  // What it decides, it decides on what the others have decided meanwhile.
  const { status, body } = await b.api('POST', '/api/servers/blue1/drain?wait=10s')
  expect([status, body.changed]).toEqual([200, true])
  expect((await shop(b)).split).toEqual({ blue: 0, green: 100 })
  expect(await serverView(b, 'green1')).toMatchObject({ state: 'drain' })
  expect(await reached(b)).toEqual(['green2'])
  await until(async () => (await instanceView(a, 'b')).live)
})

test('a control process that was killed is replaced: the same instance, and waits span the fleet again', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const { id } = await instanceView(a, 'b')
  await killControl(b)
  await fleet.settled()
  expect((await instanceView(a, 'b')).id).toBe(id)
  expect((await instanceView(b, 'b')).id).toBe(id)
  await hold(fleet, b, 'blue1', 1)
  const short = await a.api('POST', '/api/servers/blue1/drain?wait=2s')
  expect([short.status, short.body.missing.underWay]).toEqual([504, [{ name: 'blue1', inFlight: 1, at: ['b'] }]])
  const waiting = a.api('POST', '/api/servers/blue1/drain?wait=10s')
  fleet.app.release()
  expect((await waiting).body).toMatchObject({ drained: ['blue1'] })
  const moved = await b.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' })
  expect([moved.status, moved.body.leftOut]).toEqual([200, undefined])
  for (const each of fleet.all) expect(await reached(each)).toEqual(GREEN)
})

test('a server that was removed is leaving at every instance, and any of them can wait for it', async () => {
  const [a, b, c] = [fleet.get('a'), fleet.get('b'), fleet.get('c')]
  const path = '/api/services/shop/pools/blue/servers/blue1'
  await hold(fleet, b, 'blue1', 1)
  const short = await a.api('DELETE', `${path}?wait=2s`)
  expect([short.status, short.body.missing.underWay]).toEqual([504, [{ name: 'blue1', inFlight: 1, at: ['b'] }]])
  const leaving = { state: 'leaving', inFlight: 1 }
  for (const each of [a, b, c]) await until(async () => (await serverView(each, 'blue1')).state === 'leaving')
  expect(await serverView(c, 'blue1')).toMatchObject({ ...leaving, inFlightByInstance: { b: 1 } })
  await killControl(b)
  for (const each of [b, a]) await until(async () => (await serverView(each, 'blue1')).state === 'leaving')
  const waiting = c.api('DELETE', `${path}?wait=20s`)
  // By the last of these answers, that one has been read.
  for (let i = 0; i < 20; i++) await c.api('GET', '/healthz')
  fleet.app.release()
  expect((await waiting).body).toMatchObject({ changed: false, drained: ['blue1'], cut: 0 })
  for (const each of [a, b, c])
    await until(async () => (await each.api('GET', '/api/servers/blue1?service=shop')).status === 404)
  expect((await a.api('PUT', path, fleet.app.servers.blue1?.url)).status).toBe(200)
  await fleet.settled()
})

test('an instance that is killed while it is waited for is left out, and named', async () => {
  const [a, c] = [fleet.get('a'), fleet.get('c')]
  await hold(fleet, c, 'blue1', 1)
  const waiting = timed(a.api('POST', '/api/servers/blue1/drain?wait=15s'))
  await until(async () => (await serverView(c, 'blue1')).state === 'drain')
  await killWhole(c)
  const { status, body, ms } = await waiting
  expect([status, body.leftOut, body.drained]).toEqual([200, ['c'], ['blue1']])
  expect(ms).toBeLessThan(6_000)
  expect(await instanceView(a, 'c')).toMatchObject({ live: false })
  await fleet.add('c')
})

test('an instance that was stopped is gone from the list, and no command waits for it', async () => {
  const [a, c] = [fleet.get('a'), fleet.get('c')]
  const { id } = await instanceView(a, 'c')
  expect((await c.stop()).code).toBe(0)
  // Those that stay know by their next heartbeat.
  const { body } = await until(async () => {
    const answer = await a.api('GET', '/api/instances')
    return answer.body.instances.every((each: { id: string }) => each.id !== id) && answer
  }, 3_000)
  expect(liveNames(body)).toEqual(['a', 'b'])
  const moved = await timed(a.api('POST', '/api/services/shop/switch?wait=10s', { to: 'green' }))
  expect([moved.status, moved.body.leftOut]).toEqual([200, undefined])
  expect(moved.ms).toBeLessThan(1_000)
  await fleet.add('c')
  expect((await ask(fleet.get('c'))).body).toMatch(/^green/)
})
