import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { isProblem, readProgram } from '../../src/hooks/read-program.ts'
import type { TableService } from '../../src/model/table.ts'
import { NO_POLICIES, type TrafficPolicies } from '../../src/model/traffic-policies.ts'
import { until } from '../support/until.ts'
import { asAsked, bodies, holding, type RolloutStage, trippingAtOnce } from './rollout-stage.ts'
import { endAll, endWithAll, upstream } from './support.ts'

afterAll(endAll)

/** Gives a rollout's table other policies. */
const withRollout =
  (edit: (traffic: TrafficPolicies) => Partial<TrafficPolicies>) =>
  (table: TableService): TableService => {
    const traffic = table.traffic ?? NO_POLICIES
    return { ...table, traffic: { ...traffic, ...edit(traffic) } }
  }

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
