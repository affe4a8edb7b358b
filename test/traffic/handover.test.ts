import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { freePort, startUpstream } from '../support/upstream.ts'
import { ask, define, expectNoneFailed, HEALTH, holding, pool, serverView, upstream, watched } from './support.ts'

const PLAIN = { health: HEALTH, retry: { attempts: 1 } }
const NOBODY = 'http://127.0.0.1:9'

interface Waiting {
  readonly cutover: Cutover
  readonly old: Upstream
  /** Where the next server is not yet. */
  readonly next: string
  /** Starts the next server. */
  readonly begin: () => Promise<void>
}

/** A service `shop` whose pool `blue` is to get another server, which does not listen yet. */
async function waiting(rest: object = {}): Promise<Waiting> {
  const old = await upstream('old')
  const port = await freePort()
  const cutover = await define('shop', { ...PLAIN, pools: { blue: pool(old) }, ...rest })
  const next = `http://127.0.0.1:${port}`
  const { status, body } = await cutover.api('PUT', '/api/services/shop/pools/blue?force', { servers: { next } })
  expect([status, body.service.handover?.waitsFor.length]).toEqual([200, 1])
  const begin = async () => {
    const server = await startUpstream(undefined, { name: 'next', port })
    atEnd(() => server.close())
  }
  return { cutover, old, next, begin }
}

async function pending(cutover: Cutover): Promise<string | undefined> {
  const metrics = String((await cutover.api('GET', '/metrics')).body)
  return /^cutover_handovers_pending (\d+)$/m.exec(metrics)?.[1]
}

async function shop(cutover: Cutover) {
  return (await cutover.api('GET', '/api/services/shop')).body
}

/** Lines of the log about the service `shop` alone. */
function logged(cutover: Cutover): Record<string, unknown>[] {
  const lines = cutover.stderr.split('\n').filter((line) => line.startsWith('{'))
  return lines.map((line) => JSON.parse(line)).filter(({ services }) => String(services) === 'shop')
}

/** Resolves when the current definition of `shop` is in force. */
function inForce(cutover: Cutover): Promise<unknown> {
  return until(async () => (await shop(cutover)).handover === undefined)
}

describe('while a new definition waits for its servers', () => {
  test('the API, the metrics and the log say so', async () => {
    const { cutover, begin } = await waiting()
    const { handover, pools, revision } = await shop(cutover)
    expect(handover.waitsFor).toMatchObject([{ service: 'shop', pool: 'blue', server: 'next' }])
    expect(Date.parse(handover.until) - Date.parse(handover.since)).toBe(30_000)
    expect(pools[0].up).toBe(0)
    expect(pools[0].servers).toMatchObject([
      { name: 'next', state: 'ready' },
      { name: 'old', state: 'leaving', health: 'up' },
    ])
    expect(await pending(cutover)).toBe('1')
    expect((await cutover.api('GET', '/api/instances')).body.instances[0].appliedRevision).toBe(revision - 1)
    expect((await cutover.api('GET', '/ready')).status).toBe(200)
    await begin()
    await inForce(cutover)
    await until(async () => (await pending(cutover)) === '0')
    await until(async () => (await cutover.api('GET', '/api/instances')).body.instances[0].appliedRevision === revision)
    const lines = logged(cutover)
    expect(lines.slice(-2).map(({ msg }) => msg)).toEqual([
      'a new definition waits for its servers; the previous one stays in force',
      'the new definition is in force',
    ])
  })

  test('?wait= says what is missing, and `drained` is not said of its previous servers', async () => {
    const { cutover, old, next, begin } = await waiting()
    const late = await cutover.api('PUT', '/api/services/shop/pools/blue?force&wait=300ms', { servers: { next } })
    expect(late.status).toBe(504)
    expect(late.body.detail).toContain('shop waits for its new servers: next is down (connection refused)')
    expect(late.body.missing.handovers).toMatchObject([{ service: 'shop' }])
    const repeated = watched(cutover.api('DELETE', '/api/services/shop/pools/blue/servers/old?wait=20s'))
    const load = new Load({ url: `${cutover.proxy}/`, clients: 4, names: ['old', 'next'] })
    await load.more(200)
    expect(repeated.settled).toBe(false)
    await begin()
    expect((await repeated.promise).body).toMatchObject({ drained: ['old'] })
    const requests = old.requests.length
    await load.more(200)
    expectNoneFailed(await load.stop())
    expect(old.requests.length).toBe(requests)
  })

  test('changes of other services are in force at once', async () => {
    const { cutover } = await waiting()
    const other = await upstream('other')
    const definition = { ...PLAIN, hosts: ['other.test'], pools: { main: pool(other) } }
    const { status } = await cutover.api('PUT', '/api/services/other?wait=5s', definition)
    const drained = await cutover.api('POST', '/api/servers/other/drain?force&wait=5s')
    await cutover.api('DELETE', '/api/services/other?force')
    expect([status, drained.status, drained.body.drained]).toEqual([200, 200, ['other']])
  })

  test('one of its servers that is drained gets no requests from then on', async () => {
    const old2 = await upstream('old2')
    const old = await upstream('old')
    const port = await freePort()
    const cutover = await define('shop', { ...PLAIN, pools: { blue: pool(old, old2) } })
    // Server `old2` keeps its name, and gets an address where nothing listens.
    const servers = { next: NOBODY, old2: `http://127.0.0.1:${port}` }
    await cutover.api('PUT', '/api/services/shop/pools/blue?force', { servers })
    await cutover.api('POST', '/api/servers/old2/drain?force')
    await until(async () => {
      const before = old2.requests.length
      for (let i = 0; i < 10; i++) expect((await ask(cutover)).body).toMatch(/^old/)
      return old2.requests.length === before
    })
  })

  test('a switch to a pool that both definitions have applies at once', async () => {
    const [blue, green] = [await upstream('blue1'), await upstream('green1')]
    const cutover = await define('shop', {
      ...PLAIN,
      pools: { blue: pool(blue), green: pool(green) },
      split: { blue: 100 },
    })
    const pools = { blue: { servers: { blue2: NOBODY } }, green: pool(green) }
    await cutover.api('PUT', '/api/services/shop?force', { ...PLAIN, pools, split: { blue: 100 } })
    expect((await shop(cutover)).handover).toBeDefined()
    expect((await cutover.api('POST', '/api/services/shop/switch?wait=5s', { to: 'green' })).status).toBe(200)
    expect((await shop(cutover)).handover).toBeUndefined()
    expect((await ask(cutover)).body).toBe('green1')
  })

  test('a switch to one of its pools puts it in force', async () => {
    const [blue, red] = [await upstream('blue1'), await upstream('red1')]
    const cutover = await define('shop', { ...PLAIN, pools: { blue: pool(blue) } })
    const pools = { green: { servers: { green1: NOBODY } }, red: pool(red) }
    await cutover.api('PUT', '/api/services/shop?force', { ...PLAIN, pools, split: { green: 100 } })
    await until(async () => (await serverView(cutover, 'red1')).health === 'up')
    expect((await ask(cutover)).body).toBe('blue1')
    expect((await cutover.api('POST', '/api/services/shop/switch?wait=5s', { to: 'red' })).status).toBe(200)
    expect((await ask(cutover)).body).toBe('red1')
  })

  test('another definition takes its place, and the first one stays in force until then', async () => {
    const { cutover, old } = await waiting()
    const third = await upstream('third')
    const load = new Load({ url: `${cutover.proxy}/`, clients: 4, names: ['old', 'third'] })
    await cutover.api('PUT', '/api/services/shop/pools/blue?force', { servers: { next2: NOBODY } })
    await load.more(200)
    const { status } = await cutover.api('PUT', '/api/services/shop/pools/blue?force&wait=10s', pool(third))
    expect(status).toBe(200)
    const requests = old.requests.length
    await load.more(100)
    expectNoneFailed(await load.stop())
    expect(old.requests.length).toBe(requests)
  })

  test('the previous definition can be put back', async () => {
    const { cutover, old } = await waiting()
    const { status, body } = await cutover.api('PUT', '/api/services/shop/pools/blue?wait=5s', pool(old))
    expect([status, body.service.handover]).toEqual([200, undefined])
    expect((await ask(cutover)).body).toBe('old')
  })
})

describe('a new definition is in force at once', () => {
  test('if no server of the previous one is up', async () => {
    const { cutover, old } = await waiting()
    await old.close()
    await inForce(cutover)
    expect((await ask(cutover)).status).toBe(503)
  })

  test('if the service had no server that was up', async () => {
    const cutover = await define('empty', { pools: { blue: { servers: {} } } })
    await cutover.api('PUT', '/api/services/empty?force', { ...PLAIN, pools: { blue: { servers: { a: NOBODY } } } })
    await until(async () => (await serverView(cutover, 'a')).health === 'down')
    const pools = { blue: { servers: { b: 'http://127.0.0.1:10' } } }
    const { status, body } = await cutover.api('PUT', '/api/services/empty?force&wait=5s', { ...PLAIN, pools })
    expect([status, body.service.handover]).toEqual([200, undefined])
  })

  test('if timeouts.handover is 0', async () => {
    const { cutover, next } = { cutover: await define('shop', at0(pool(await upstream('old')))), next: NOBODY }
    const { status, body } = await cutover.api('PUT', '/api/services/shop?force&wait=5s', at0({ servers: { next } }))
    expect([status, body.service.handover, (await ask(cutover)).status]).toEqual([200, undefined, 503])
  })

  test('if it has no servers that could come up', async () => {
    const cutover = await define('shop', { ...PLAIN, pools: { blue: pool(await upstream('old')) } })
    const { status, body } = await cutover.api('DELETE', '/api/services/shop/pools/blue/servers/old?wait=5s', {
      force: true,
    })
    expect([status, body.drained]).toEqual([200, ['old']])
  })
})

function at0(blue: object): object {
  return { ...PLAIN, pools: { blue }, timeouts: { handover: 0 } }
}

test('after timeouts.handover a new definition is in force even if its servers are not up', async () => {
  const old = await upstream('old')
  const timeouts = { handover: '500ms' }
  const cutover = await define('shop', { ...PLAIN, timeouts, pools: { blue: pool(old) } })
  const startedAt = performance.now()
  const { status } = await cutover.api('PUT', '/api/services/shop/pools/blue?force&wait=10s', {
    servers: { next: NOBODY },
  })
  expect(status).toBe(200)
  expect(performance.now() - startedAt).toBeGreaterThan(450)
  expect((await ask(cutover)).status).toBe(503)
  const lines = logged(cutover)
  expect(lines.at(-1)).toMatchObject({
    level: 40,
    msg: 'the new definition is in force, though servers of it are not up',
    missing: ['next of shop is down (connection refused)'],
  })
})

test('the first of many new servers does not get the requests of all: those whose check has no result are waited for', async () => {
  const olds = await Promise.all(['old1', 'old2', 'old3'].map((name) => upstream(name)))
  const cutover = await define('shop', { ...PLAIN, pools: { blue: pool(...olds) } })
  const fast = await upstream('fast')
  const checks = holding()
  let answers = false
  const slow = await upstream('slow', (request, response, recorded) => {
    if (answers) response.end('slow')
    else checks.handler(request, response, recorded)
  })
  const health = { ...HEALTH, timeout: '10s', path: '/check' }
  const pools = { blue: pool(fast, slow) }
  await cutover.api('PUT', '/api/services/shop?force', { ...PLAIN, health, pools })
  await until(async () => (await serverView(cutover, 'fast')).health === 'up')
  expect((await ask(cutover)).body).toMatch(/^old/)
  await slow.arrived(1)
  // Checks that come later, too: one may have begun anew.
  answers = true
  checks.release()
  await inForce(cutover)
  expect((await ask(cutover)).body).toMatch(/^(fast|slow)$/)
})
