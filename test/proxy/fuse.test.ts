import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isProblem, readProgram } from '../../src/hooks/read-program.ts'
import type { JsonObject } from '../../src/model/state.ts'
import type { TableService } from '../../src/model/table.ts'
import { NO_POLICIES, type TrafficPolicies } from '../../src/model/traffic-policies.ts'
import { freePort, type Handler, type Upstream } from '../support/upstream.ts'
import { type Answer, RolloutStage } from './rollout-stage.ts'
import { endAll, endWithAll, rawUpstream, until, upstream } from './support.ts'

afterAll(endAll)

const fails: Handler = (_request, response) => response.writeHead(500).end('canary')
/** Answers `/500` with that status, and so on. */
const asAsked: Handler = ({ url = '' }, response) =>
  response.writeHead(url.length === 4 ? Number(url.slice(1)) : 200).end('canary')

const bodies = (answers: readonly Answer[]) => [...new Set(answers.map(({ status, body }) => `${status} ${body}`))]
const stableServer = () => upstream(undefined, 'stable')

/** A rollout whose first failure trips its fuse. */
const trippingAtOnce = async (percent: number, canary: { port: number }, service: JsonObject = {}) =>
  RolloutStage.start({
    stable: [await stableServer()],
    canary: [canary],
    percent,
    service,
    fuse: { minRequests: 1, errorRate: 0.01 },
  })

/** Gives a rollout's table other policies. */
const withRollout =
  (edit: (traffic: TrafficPolicies) => Partial<TrafficPolicies>) =>
  (table: TableService): TableService => {
    const traffic = table.traffic ?? NO_POLICIES
    return { ...table, traffic: { ...traffic, ...edit(traffic) } }
  }

/** A server whose requests wait until they are answered here, by path. */
async function holding(): Promise<{ server: Upstream; held: Map<string, ServerResponse> }> {
  const held = new Map<string, ServerResponse>()
  const server = await upstream(({ url = '' }, response) => void held.set(url, response))
  return { server, held }
}

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

describe('a canary that is closed', () => {
  /** Trips the fuse with one failure of the canary, whose turn it is. */
  const trip = async (stage: RolloutStage, headers = {}): Promise<void> => {
    expect(await stage.ask('/500', headers)).toMatchObject({ status: 500, body: 'canary' })
    expect(stage.trips).toHaveLength(1)
  }

  test('R4 gets none of its sticky clients', async () => {
    const stage = await trippingAtOnce(50, await upstream(asAsked), { sticky: { cookie: 'at' } })
    let cookie = ''
    while (cookie === '') {
      const { body, cookies } = await stage.ask()
      if (body === 'canary') cookie = cookies[0]?.split(';')[0] ?? ''
    }
    for (let i = 0; i < 5; i++) expect((await stage.ask('/', { cookie })).body).toBe('canary')
    await trip(stage, { cookie })
    const after = await stage.ask('/', { cookie })
    expect(after.body).toBe('stable')
    expect(after.cookies[0]).toMatch(/^at=/)
  })

  test('gets none of its cohort', async () => {
    const stage = await trippingAtOnce(50, await upstream(asAsked), { splitBy: 'header:x-user' })
    const users = Array.from({ length: 20 }, (_, i) => ({ 'x-user': `user-${i}` }))
    const before = await Promise.all(users.map((user) => stage.ask('/', user)))
    const own = users.filter((_, i) => before[i]?.body === 'canary')
    expect(own.length).toBeGreaterThan(2)
    await trip(stage, own[0])
    expect(bodies(await Promise.all(users.map((user) => stage.ask('/', user))))).toEqual(['200 stable'])
  })

  test('gets none of the requests that were queued for it; those in flight go on to their end', async () => {
    const { server, held } = await holding()
    const stage = await trippingAtOnce(100, server, { connections: { perServer: 2 }, timeouts: { queue: '20s' } })
    const inFlight = stage.ask('/in-flight')
    const failing = stage.ask('/failing')
    await until(() => held.size === 2, 5_000)
    const queued = ['/1', '/2', '/3'].map((path) => stage.ask(path))
    await until(() => stage.plane.load().queued['shop/canary'] === 3, 5_000)
    held.get('/in-flight')?.write('first ')
    held.get('/failing')?.writeHead(500).write('canary')
    expect(bodies(await Promise.all(queued))).toEqual(['200 stable'])
    held.get('/failing')?.end()
    expect(await failing).toMatchObject({ status: 500 })
    held.get('/in-flight')?.end('last')
    expect(await inFlight).toMatchObject({ status: 200, body: 'first last' })
    expect(server.requests).toHaveLength(2)
    expect(stage.sent.filter(({ type }) => type === 'idle')).toEqual([])
  })

  test('gets nothing by the routes of the rollout, but by those of the definition', async () => {
    const routes = ['qa', 'own'].map((name) => ({ name, match: { header: { [`x-${name}`]: '1' } }, to: 'canary' }))
    const stage = await trippingAtOnce(0, await upstream(asAsked), { routes })
    stage.edit = withRollout((traffic) => ({
      routes: traffic.routes.map((route) => (route.name === 'qa' ? { ...route, rollout: 'r1' } : route)),
    }))
    stage.put()
    await trip(stage, { 'x-qa': '1' })
    expect((await stage.ask('/', { 'x-qa': '1' })).body).toBe('stable')
    expect((await stage.ask('/', { 'x-own': '1' })).body).toBe('canary')
  })

  test('gets no copies by the mirror of the rollout, not even one whose request is on its way', async () => {
    const canary = await upstream(asAsked)
    const stage = await trippingAtOnce(50, canary, { mirror: { to: 'canary', percent: 100, methods: ['POST'] } })
    stage.edit = withRollout(({ mirror }) => ({ mirror: mirror && { ...mirror, rollout: 'r1' } }))
    stage.put()
    const { promise: answered, resolve } = Promise.withResolvers<IncomingMessage>()
    const half = stage.request('/copied', { 'content-length': 8 }, resolve)
    half.write('half')
    const [key = ''] = stage.keysOf('stable')
    await until(() => stage.plane.targets.inFlight()[key] === 1, 5_000)
    await trip(stage)
    half.end('half')
    const response = await answered
    expect(response.resume().headers['x-upstream']).toBe('stable')
    expect(bodies(await stage.askTimes(5))).toEqual(['200 stable'])
    expect(canary.requests.map(({ url }) => url)).toEqual(['/500'])
  })

  test('is no pool that hooks may choose', async () => {
    const stage = await trippingAtOnce(50, await upstream(asAsked))
    const folder = await mkdtemp(join(tmpdir(), 'cutover-fuse-'))
    endWithAll(() => rm(folder, { recursive: true }))
    const file = join(folder, 'hooks.ts')
    const choice = "pools.find(({ name }) => name === 'canary')?.name"
    await writeFile(file, `export default { choosePool: (_: unknown, pools: { name: string }[]) => ${choice} }`)
    const program = readProgram(file)
    if (isProblem(program)) throw new Error(program.message)
    stage.receive({ type: 'hooks', hooks: { program, file, timeoutMs: 1_000, onError: 'fail' } })
    expect(bodies(await stage.askTimes(5))).toEqual(['200 canary'])
    await trip(stage)
    expect(bodies(await stage.askTimes(5))).toEqual(['200 stable'])
  })

  test('is explained', async () => {
    const stage = await trippingAtOnce(50, await upstream(asAsked))
    const asked = { host: 'shop', method: 'GET', target: '/', headers: {}, cookies: {}, address: null }
    const pools = () => {
      stage.receive({ type: 'explain', id: 1, request: asked, service: null })
      return stage.sent.findLast((message) => message.type === 'explained')?.explanation.pools
    }
    expect(pools()?.map(({ gets }) => gets)).toEqual(['share', 'share'])
    while (stage.trips.length === 0) await stage.ask('/500')
    expect(pools()).toMatchObject([
      { name: 'stable', gets: 'all' },
      { name: 'canary', gets: 'none', reason: 'the fuse of rollout r1 keeps requests from it' },
    ])
  })
})
