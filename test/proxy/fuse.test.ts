import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterAll, describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { freePort, type Handler, type Upstream } from '../support/upstream.ts'
import { asAsked, bodies, fails, holding, RolloutStage, stableServer, trippingAtOnce } from './rollout-stage.ts'
import { endAll, rawUpstream, upstream } from './support.ts'

afterAll(endAll)

describe('R2 a canary that fails', () => {
  test('always, at 5 % of a load, gets no request after 10 failures and those under way', async () => {
    const [stable, canary] = [await stableServer(), await upstream(fails)]
    const stage = await RolloutStage.start({ stable: [stable], canary: [canary], percent: 5 })
    const clients = 4
    const load = Array.from({ length: clients }, async () => {
      while (stage.trips.length === 0) await stage.ask()
    })
    await Promise.all(load)
    expect(stage.trips).toMatchObject([{ service: 'shop', rollout: 'r1', canary: { answers: 10, failures: 10 } }])
    expect(stage.trips[0]?.stable.failures).toBe(0)
    const reached = canary.requests.length
    expect(reached).toBeGreaterThanOrEqual(10)
    expect(reached).toBeLessThanOrEqual(10 + clients - 1)
    expect(bodies(await stage.askTimes(200))).toEqual(['200 stable'])
    expect([canary.requests.length, stage.trips.length]).toEqual([reached, 1])
  })

  test('is kept while the stable pool fails as well', async () => {
    const stage = await RolloutStage.start({
      stable: [await upstream(fails)],
      canary: [await upstream(fails)],
      percent: 50,
    })
    await stage.askTimes(60)
    expect(stage.trips).toEqual([])
  })

  test('at 100 % gives way to a healthy stable pool, which is not taken for drained', async () => {
    const [{ server: stable, held }, canary] = [await holding(), await upstream(fails)]
    const stage = await RolloutStage.start({ stable: [stable], canary: [canary], percent: 100 })
    expect(stage.busy).toEqual({})
    expect(bodies(await stage.askTimes(10))).toEqual(['500 canary'])
    const [key = ''] = stage.keysOf('stable')
    expect([stage.trips.length, stage.busy]).toEqual([1, { [key]: 1 }])
    const asked = ['/1', '/2'].map((path) => stage.ask(path))
    await until(() => held.size === 2, 5_000)
    stage.put()
    expect(stage.busy).toEqual({ [key]: 2 })
    stage.put({ percent: 0 })
    expect(stage.busy).toEqual({})
    stage.rollout = null
    stage.put({ percent: 100 })
    expect(stage.busy).toEqual({ [key]: 2 })
    for (const response of held.values()) response.end('stable')
    expect(bodies(await Promise.all(asked))).toEqual(['200 stable'])
    expect(stage.sent.filter(({ type }) => type === 'idle')).toEqual([{ type: 'idle', key, cut: 0 }])
  })

  test('at 100 % is kept while the stable pool is down', async () => {
    const [stable, canary] = [await stableServer(), await upstream(fails)]
    const stage = await RolloutStage.start({ stable: [stable], canary: [canary], percent: 100 })
    const down = stage.keysOf('stable').map((key) => [key, 'down'] as const)
    stage.receive({ type: 'health', changes: down })
    expect(bodies(await stage.askTimes(30))).toEqual(['500 canary'])
    stage.receive({ type: 'health', changes: down.map(([key]) => [key, 'up'] as const) })
    await stage.ask()
    expect(bodies(await stage.askTimes(5))).toEqual(['200 stable'])
  })
})

describe('tries that count', () => {
  const says = (text: string) => () =>
    rawUpstream((connection) => connection.request().then(() => connection.send(text)))
  const kinds: Record<string, () => Promise<{ port: number }>> = {
    '500': () => upstream(fails),
    refused: async () => ({ port: await freePort() }),
    reset: () => upstream((request) => request.socket.resetAndDestroy()),
    timeout: () => upstream(() => undefined),
    nonsense: says('SSH-2.0-x\r\n\r\n'),
    'broken off': () =>
      upstream((request, response) => {
        response.writeHead(200, { 'content-length': 10 }).write('12345', () => request.socket.destroy())
      }),
  }

  test.for(Object.keys(kinds))('%s', async (kind) => {
    const canary = (await kinds[kind]?.()) as { port: number }
    const service = { retry: { attempts: 1 }, timeouts: { response: '300ms' } }
    const fuse = { minRequests: 3 }
    const stage = await RolloutStage.start({
      stable: [await stableServer()],
      canary: [canary],
      percent: 100,
      service,
      fuse,
    })
    const answers = await stage.askTimes(4)
    expect(answers.map(({ body }) => body === 'stable')).toEqual([false, false, false, true])
    expect(stage.trips).toMatchObject([{ canary: { answers: 3, failures: 3 } }])
  })

  test('are each try of a request, and the one that trips it is followed by one at the stable pool', async () => {
    const resets: Handler = (request) => request.socket.resetAndDestroy()
    const canaries = [await upstream(resets), await upstream(resets), await upstream(resets)]
    const service = { retry: { attempts: 4, budget: '100%' }, passive: { maxFails: 0 } }
    const stage = await RolloutStage.start({
      stable: [await stableServer()],
      canary: canaries,
      percent: 100,
      service,
      fuse: { minRequests: 3 },
    })
    expect(await stage.ask()).toMatchObject({ status: 200, body: 'stable' })
    expect(stage.trips).toMatchObject([{ canary: { answers: 3, failures: 3 } }])
    expect(canaries.map(({ requests }) => requests.length)).toEqual([1, 1, 1])
  })

  test('are not those that end with a 404', async () => {
    const stage = await trippingAtOnce(100, await upstream(asAsked))
    for (const path of ['/404', '/200', '/499']) expect((await stage.ask(path)).body).toBe('canary')
    expect(stage.trips).toEqual([])
    await stage.ask('/500')
    expect(stage.trips).toHaveLength(1)
  })

  test('are not those whose client leaves', async () => {
    const { server, held } = await holding()
    const stage = await trippingAtOnce(100, server)
    const leaving = stage.request('/left', {}, () => undefined)
    leaving.on('error', () => undefined).end()
    await until(() => held.has('/left'), 5_000)
    const left = once(held.get('/left') as ServerResponse, 'close')
    leaving.destroy()
    await left
    expect(stage.trips).toEqual([])
  })

  test('are not copies', async () => {
    const canary = await upstream(fails)
    const stage = await trippingAtOnce(0, canary, { mirror: { to: 'canary', percent: 100 } })
    for (let i = 1; i <= 5; i++) {
      await stage.ask()
      await canary.arrived(i)
    }
    expect(bodies(await stage.askTimes(5))).toEqual(['200 stable'])
    expect(stage.trips).toEqual([])
  })
})

describe('the latch', () => {
  const start = async (canary: Upstream) =>
    RolloutStage.start({ stable: [await stableServer()], canary: [canary], percent: 100 })

  test('holds for tables of the same rollout, and no longer', async () => {
    const canary = await upstream(fails)
    const stage = await start(canary)
    await stage.askTimes(10)
    for (const change of [{ percent: 50 }, { percent: 100 }, {}]) {
      stage.put(change)
      expect(bodies(await stage.askTimes(20))).toEqual(['200 stable'])
    }
    expect([canary.requests.length, stage.trips.length]).toEqual([10, 1])
    stage.rollout = 'r2'
    stage.put()
    expect(bodies(await stage.askTimes(9))).toEqual(['500 canary'])
    stage.put()
    expect(bodies(await stage.askTimes(1))).toEqual(['500 canary'])
    expect(bodies(await stage.askTimes(9))).toEqual(['200 stable'])
    expect(stage.trips.map(({ rollout, canary: { answers } }) => [rollout, answers])).toEqual([
      ['r1', 10],
      ['r2', 10],
    ])
    stage.rollout = null
    stage.put()
    expect(bodies(await stage.askTimes(20))).toEqual(['500 canary'])
    stage.rollout = 'r2'
    stage.put()
    expect(bodies(await stage.askTimes(9))).toEqual(['500 canary'])
  })

  test('is told again to a control process that has sent a whole table', async () => {
    const stage = await start(await upstream(fails))
    await stage.askTimes(10)
    stage.put({ whole: true })
    expect(stage.trips).toHaveLength(2)
    expect(stage.trips[1]).toEqual(stage.trips[0])
    expect(bodies(await stage.askTimes(10))).toEqual(['200 stable'])
  })

  test('is not set by a try of a rollout that is over', async () => {
    const { server, held } = await holding()
    const stage = await RolloutStage.start({
      stable: [await stableServer()],
      canary: [server],
      percent: 100,
      fuse: { minRequests: 1 },
    })
    const late = stage.ask('/late')
    await until(() => held.has('/late'), 5_000)
    stage.rollout = 'r2'
    stage.put()
    held.get('/late')?.writeHead(500).end('late')
    expect(await late).toMatchObject({ status: 500, body: 'late' })
    expect(stage.trips).toEqual([])
  })
})
