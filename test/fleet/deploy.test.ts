import { once } from 'node:events'
import http from 'node:http'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Answer, Cutover } from '../support/cutover.ts'
import { DnsServer } from '../support/dns-server.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { BLUE, GREEN } from './app.ts'
import { expectNoneFailed, Fleet, INSTANCES, type InstanceName, isStale, killWhole, shop } from './support.ts'

/** The host of the new server: at instance c it has an address of its own, so that c can find it down while a and b do not. */
const HOST = 'green9.test'
const ADDRESSES = { a: '127.0.0.1', b: '127.0.0.1', c: '127.0.0.2' }

let fleet: Fleet
const names: DnsServer[] = []
const ending: (() => unknown)[] = []

beforeAll(async () => {
  fleet = await Fleet.empty({}, { persist: true })
  await Promise.all(
    INSTANCES.map(async (name) => {
      const dns = await DnsServer.start()
      dns.records.set(HOST, [ADDRESSES[name]])
      names.push(dns)
      await fleet.add(name, { env: dns.env })
    }),
  )
  await fleet.settled()
})
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})
afterAll(async () => {
  await fleet?.stop()
  for (const dns of names) dns.close()
})

async function server(name: string): Promise<Upstream> {
  const started = await startUpstream(undefined, { name })
  ending.push(() => started.close())
  return started
}

function deploy(at: Cutover, body: object): Promise<Answer> {
  return at.api('POST', '/api/services/shop/deploy', { timeout: '20s', ...body })
}

async function written(at: Cutover) {
  return (await at.api('GET', '/api/services/shop/definition')).body.written
}

function loads(at: readonly InstanceName[] = INSTANCES): Load[] {
  const all = [...BLUE, ...GREEN, 'green9']
  return at.map((name) => fleet.get(name)).map(({ proxy }) => new Load({ url: `${proxy}/`, clients: 8, names: all }))
}

/** Back to the definition that the fleet was started with. */
async function reset(): Promise<void> {
  const definition = fleet.app.service()
  const { status } = await fleet.get('a').api('PUT', '/api/services/shop?force', definition)
  expect(status).toBe(200)
  await fleet.reset()
}

test('waits for an instance at which the server is not up yet, and no request fails anywhere', async () => {
  const near = await server('green9')
  const before = await written(fleet.get('a'))
  const under = loads()
  const url = `http://${HOST}:${near.port}`
  // Up at a and b, refused at c: nothing listens at its address yet.
  const late = await deploy(fleet.get('a'), { servers: { green9: url }, timeout: '1500ms' })
  expect([late.status, late.body.servers]).toMatchObject([504, [{ name: 'green9', health: 'up', at: ['c'] }]])
  expect(late.body.detail).toContain('green9 is not up at c')
  expect(await written(fleet.get('c'))).toEqual(before)

  const call = deploy(fleet.get('b'), { servers: { green9: url } })
  await until(async () => {
    const { pools } = await shop(fleet.get('a'))
    return pools[1].servers.some(({ name, health }: Record<string, string>) => name === 'green9' && health === 'up')
  })
  expect(await shop(fleet.get('c'))).toMatchObject({ split: { blue: 100, green: 0 }, deploying: { pool: 'green' } })
  const far = http.createServer((request, response) => {
    request.resume()
    response.end('green9')
  })
  far.listen(near.port, ADDRESSES.c)
  await once(far, 'listening')
  ending.push(() => {
    far.closeAllConnections()
    far.close()
  })
  const { status, body } = await call
  expect([status, body.detail, body.drained]).toEqual([200, undefined, ['blue']])
  for (const load of under) await load.more(50)
  for (const load of under) {
    const figures = await load.stop()
    expectNoneFailed(figures)
    expect(figures.answers.green9).toBeGreaterThan(0)
  }
  await reset()
})

test('deploys in a row at different instances under load: no request fails', async () => {
  const under = loads()
  for (let round = 0; round < 6; round++) {
    const at = fleet.get(INSTANCES[round % 3] ?? 'a')
    const next = round % 2 === 0 ? GREEN : BLUE
    const servers = Object.fromEntries(next.map((name: string) => [name, fleet.app.servers[name]?.url]))
    const { status, body } = await deploy(at, { servers })
    expect([round, status, body.detail]).toEqual([round, 200, undefined])
  }
  for (const load of under) expectNoneFailed(await load.stop())
  await reset()
})

test('a deploy at another instance meanwhile is refused, or replaces the first, whose caller is told', async () => {
  const slow = await server('green9')
  slow.health = 503
  const first = deploy(fleet.get('a'), { servers: { green9: slow.url } })
  await until(async () => (await shop(fleet.get('b'))).deploying)
  const second = await deploy(fleet.get('b'), { servers: { green9: slow.url } })
  expect([second.status, second.body.detail]).toEqual([409, expect.stringContaining('has been deploying shop')])
  const good = await server('good')
  const third = await deploy(fleet.get('c'), { servers: { good: good.url }, replace: true })
  expect([third.status, third.body.detail]).toEqual([200, undefined])
  const told = await first
  expect([told.status, told.body.title]).toEqual([409, 'Replaced by another deploy'])
  await reset()
})

test('while the store is away nothing is switched, and the pool is restored when it is back', async () => {
  const [slow, before, split] = [await server('green9'), await written(fleet.get('a')), { blue: 100, green: 0 }]
  slow.health = 503
  const call = deploy(fleet.get('a'), { servers: { green9: slow.url }, timeout: '2s' })
  await until(async () => (await shop(fleet.get('b'))).deploying)
  await fleet.redis.kill()
  await until(() => isStale(fleet.get('a')))
  slow.health = 200
  const { status, body } = await call
  expect([status, body.detail]).toEqual([
    504,
    expect.stringContaining('is restored as soon as the store takes changes'),
  ])
  expect((await shop(fleet.get('a'))).split).toEqual(split)
  await fleet.redis.restart()
  await until(async () => (await shop(fleet.get('b'))).deploying === undefined)
  expect(await written(fleet.get('b'))).toEqual(before)
  expect((await shop(fleet.get('b'))).split).toEqual(split)
})

test('an instance that is killed in the middle: another one restores the pool within seconds', async () => {
  const slow = await server('green9')
  slow.health = 503
  const before = await written(fleet.get('a'))
  const call = deploy(fleet.get('c'), { pool: 'violet', servers: { green9: slow.url } }).catch(
    (error: unknown) => error,
  )
  await until(async () => (await shop(fleet.get('a'))).deploying)
  const under = loads(['a', 'b'])
  const killedAt = performance.now()
  await killWhole(fleet.get('c'))
  expect(await call).toBeInstanceOf(Error)
  await until(async () => (await shop(fleet.get('a'))).deploying === undefined)
  expect(performance.now() - killedAt).toBeLessThan(10_000)
  expect(await written(fleet.get('b'))).toEqual(before)
  const { history } = (await fleet.get('b').api('GET', '/api/services/shop/history')).body
  expect(history[0]).toMatchObject({ action: 'abandon deploy', reason: expect.stringContaining('out of touch') })
  for (const load of under) {
    await load.more(50)
    expectNoneFailed(await load.stop())
  }
})
