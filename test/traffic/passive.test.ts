import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { FullBacklog } from '../support/full-backlog.ts'
import type { RawConnection } from '../support/raw-client.ts'
import { until } from '../support/until.ts'
import type { Handler, Upstream } from '../support/upstream.ts'
import { ask, define, health, holding, pool, raw, serverView, spread, upstream } from './support.ts'

/** Ejected is ejected until the test says otherwise; every failure shows. */
const FOREVER = { maxFails: 3, failTimeout: '1h' }
const SERVICE = { health: { interval: '1h' }, balance: 'roundRobin', retry: { attempts: 1 }, passive: FOREVER }

/** The behaviour of a server; tests change it. */
class Behaviour {
  answer: Handler = fine
  readonly handler: Handler = (request, response, recorded) => this.answer(request, response, recorded)
}

const fine: Handler = (_request, response) => response.end(String(response.getHeader('x-upstream')))
const status =
  (code: number): Handler =>
  (_request, response) =>
    response.writeHead(code).end()

interface Pair {
  readonly cutover: Cutover
  readonly blue1: Upstream
  readonly blue2: Upstream
  readonly behaviour: Behaviour
}

/** A service `shop` with two servers, the first of which answers as `behaviour` says. */
async function pair(service: object = {}): Promise<Pair> {
  const behaviour = new Behaviour()
  const blue1 = await upstream('blue1', behaviour.handler)
  const blue2 = await upstream('blue2')
  const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, ...SERVICE, ...service })
  return { cutover, blue1, blue2, behaviour }
}

/** Asks until a request has come to this server; returns the answer to it. */
async function askAt(cutover: Cutover, server: Upstream, init?: RequestInit) {
  for (const seen = server.requests.length; ; ) {
    const answer = await ask(cutover, '/', init)
    if (server.requests.length > seen) return answer
  }
}

async function ejected(cutover: Cutover, name: string): Promise<void> {
  await until(async () => (await serverView(cutover, name)).health === 'ejected')
}

/** Sends so many requests, some at once, all of which `by` answers. */
async function expectAll(cutover: Cutover, by: string, count = 30): Promise<void> {
  const answers = await Promise.all(Array.from({ length: count }, () => ask(cutover)))
  expect(answers.map(({ body }) => body)).toEqual(Array.from({ length: count }, () => by))
}

/** Expects that both servers get requests in turn, and that no failures are counted against either. */
async function expectBothIn({ cutover, blue1, blue2 }: Pair): Promise<void> {
  await told(cutover)
  const [before1, before2] = [blue1.requests.length, blue2.requests.length]
  for (let i = 0; i < 20; i++) await ask(cutover)
  expect([blue1.requests.length - before1, blue2.requests.length - before2]).toEqual([10, 10])
  expect((await serverView(cutover, 'blue1')).health).toBe('up')
}

let fences = 0

/** Resolves when all failures so far are known to the control process, as a later failure is. */
async function told(cutover: Cutover): Promise<void> {
  const name = `fence${++fences}`
  const failing = await upstream(`${name}-a`, status(500))
  const pools = { main: pool(failing, await upstream(`${name}-b`)) }
  await define(name, { pools, ...SERVICE, paths: [`/${name}`], passive: { maxFails: 1 } })
  while (failing.requests.length === 0) await ask(cutover, `/${name}`)
  await ejected(cutover, `${name}-a`)
}

/** Has the time of ejection over now; two tables later. */
async function timeIsOver(cutover: Cutover): Promise<void> {
  for (const failTimeout of ['1ms', '1h']) {
    const { body } = await cutover.api('PATCH', '/api/services/shop?wait=10s', { passive: { failTimeout } })
    expect(body.changed).toBe(true)
  }
}

describe('failures in a row eject:', () => {
  const failing: readonly [string, number, Handler][] = [
    ['answers of 500', 500, status(500)],
    ['answers of 599', 599, status(599)],
    ['resets', 502, (request) => request.socket.resetAndDestroy()],
    ['closed connections', 502, (request) => request.socket.destroy()],
    ['nonsense', 502, (request) => request.socket.end('nonsense\r\n\r\n')],
  ]
  test.each(failing)('%s', async (_what, code, answer) => {
    const { cutover, blue1, behaviour } = await pair()
    await askAt(cutover, blue1)
    behaviour.answer = answer
    for (let i = 0; i < 3; i++) expect((await askAt(cutover, blue1)).status).toBe(code)
    await ejected(cutover, 'blue1')
    behaviour.answer = fine
    await expectAll(cutover, 'blue2')
    expect(blue1.requests).toHaveLength(4)
  })

  test('answers that break off', async () => {
    const { cutover, blue1, behaviour } = await pair()
    behaviour.answer = (_request, response) => {
      response.writeHead(200, { 'content-length': 10 }).write('half', () => response.destroy())
    }
    for (let seen = 0; seen < 3; seen = blue1.requests.length) await ask(cutover).catch(() => undefined)
    await ejected(cutover, 'blue1')
    await expectAll(cutover, 'blue2')
    expect(blue1.requests).toHaveLength(3)
  })

  test('refused connections', async () => {
    const { cutover, blue1 } = await pair()
    await blue1.close()
    let refused = 0
    for (; refused < 3; refused += (await ask(cutover)).status === 502 ? 1 : 0);
    await ejected(cutover, 'blue1')
    await upstream('blue1', undefined, { port: blue1.port })
    await expectAll(cutover, 'blue2')
  })

  /** Three requests to each of the two, with this little time; then it is as long as ever. */
  async function expectLate(cutover: Cutover): Promise<void> {
    const answers = await Promise.all(Array.from({ length: 6 }, () => ask(cutover)))
    expect(answers.filter(({ status }) => status === 504)).toHaveLength(3)
    await ejected(cutover, 'blue1')
    await cutover.api('PATCH', '/api/services/shop?wait=10s', { timeouts: null })
    await expectAll(cutover, 'blue2')
  }

  test('no answer in time', async () => {
    const { cutover, blue1, behaviour } = await pair({ timeouts: { response: '500ms' } })
    behaviour.answer = () => undefined
    await expectLate(cutover)
    expect(blue1.requests).toHaveLength(3)
  })

  test('connections that are not made in time', async () => {
    const full = await FullBacklog.start()
    atEnd(() => full.close())
    const blue2 = await upstream('blue2')
    const servers = { blue1: `http://127.0.0.1:${full.port}`, blue2: blue2.url }
    const timeouts = { connect: '500ms' }
    await expectLate(await define('shop', { pools: { blue: { servers } }, ...SERVICE, health: 'off', timeouts }))
  })

  test('upgrades that fail', async () => {
    const { cutover, blue1, behaviour } = await pair()
    const statuses: number[] = []
    blue1.server.on('upgrade', (_request, socket) => {
      statuses.push(statuses.length % 2 === 0 ? 500 : 599)
      socket.end(`HTTP/1.1 ${statuses.at(-1)} No\r\nContent-Length: 0\r\n\r\n`)
    })
    behaviour.answer = status(500)
    await askAt(cutover, blue1)
    while (statuses.length < 2) await upgrade(cutover)
    await ejected(cutover, 'blue1')
    for (let i = 0; i < 4; i++) await upgrade(cutover)
    expect([statuses, blue1.requests.length]).toEqual([[500, 599], 1])
  })
})

async function upgrade(cutover: Cutover): Promise<number> {
  const connection = await raw(cutover)
  connection.send('GET / HTTP/1.1\r\nhost: shop\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n')
  const head = await connection.head()
  connection.destroy()
  return head.status
}

describe('does not eject:', () => {
  test('failures with requests that are served in between, however many', async () => {
    const both = await pair()
    const { cutover, blue1, behaviour } = both
    for (let round = 0; round < 8; round++) {
      behaviour.answer = status(500)
      for (let i = 0; i < 2; i++) expect((await askAt(cutover, blue1)).status).toBe(500)
      behaviour.answer = fine
      // A success is news only after failures that were told.
      if (round % 2 === 0) await told(cutover)
      expect((await askAt(cutover, blue1)).status).toBe(200)
    }
    await expectBothIn(both)
  })

  test('answers of 400-499', async () => {
    const both = await pair({ passive: { ...FOREVER, maxFails: 1 } })
    for (const code of [400, 404, 429, 499]) {
      both.behaviour.answer = status(code)
      expect((await askAt(both.cutover, both.blue1)).status).toBe(code)
    }
    await expectBothIn(both)
  })

  test('clients that leave: waiting, sending, receiving', async () => {
    const behaviour = new Behaviour()
    const blue1 = await upstream('blue1', behaviour.handler)
    const blue2 = await upstream('blue2', behaviour.handler)
    const passive = { ...FOREVER, maxFails: 1 }
    const cutover = await define('shop', { pools: { blue: pool(blue1, blue2) }, ...SERVICE, passive })
    const post = 'POST / HTTP/1.1\r\nhost: shop\r\n'
    const requests = [
      'GET / HTTP/1.1\r\nhost: shop\r\n\r\n',
      `${post}content-length: 100\r\n\r\nsome`,
      `${post}transfer-encoding: chunked\r\n\r\n4\r\nsome\r\n`,
    ]
    const ways: readonly ((client: RawConnection) => unknown)[] = [
      (client) => client.destroy(),
      (client) => client.socket.resetAndDestroy(),
      // What follows the request is another one, or, in its body, no chunk; and nothing follows after that.
      (client) => client.send('this is nothing\r\n').socket.end(() => client.destroy()),
    ]
    const arrived = new EventEmitter()
    behaviour.answer = (request, response) => {
      request.on('error', () => undefined)
      arrived.emit('request', response)
    }
    for (const begins of [false, true]) {
      for (const [request, leave] of requests.flatMap((each) => ways.map((way) => [each, way] as const))) {
        const arrival = once(arrived, 'request')
        const client = (await raw(cutover)).send(request)
        const [response] = (await arrival) as [ServerResponse]
        const gone = once(response, 'close')
        if (begins) {
          response.write('part')
          await client.head()
        }
        leave(client)
        await gone
      }
    }
    behaviour.answer = fine
    await expectBothIn({ cutover, blue1, blue2, behaviour })
  })
})

describe('an ejected server', () => {
  /** With blue1 ejected. */
  async function withOneOut(service: object = {}): Promise<Pair> {
    const all = await pair(service)
    all.behaviour.answer = status(500)
    for (let i = 0; i < 3; i++) await askAt(all.cutover, all.blue1)
    await ejected(all.cutover, 'blue1')
    return all
  }

  test('is shown everywhere, and counts as not up', async () => {
    const { cutover } = await withOneOut()
    const { body: service } = await cutover.api('GET', '/api/services/shop')
    expect(service.pools[0]).toMatchObject({ up: 1, servers: [{ health: 'ejected' }, { health: 'up' }] })
    const { body: overall } = await cutover.api('GET', '/health')
    const detail = 'blue: 1 of 2 servers take requests (ejected: blue1)'
    expect(overall).toMatchObject({ status: 'degraded', parts: { 'service shop': { status: 'degraded', detail } } })
    const { body: metrics } = await cutover.api('GET', '/metrics')
    for (const [name, blue1, blue2] of [
      ['up', 0, 1],
      ['ejected', 1, 0],
    ]) {
      expect(metrics).toContain(`cutover_server_${name}{service="shop",pool="blue",server="blue1"} ${blue1}`)
      expect(metrics).toContain(`cutover_server_${name}{service="shop",pool="blue",server="blue2"} ${blue2}`)
    }
    const refused = await cutover.api('POST', '/api/servers/blue2/drain')
    expect([refused.status, refused.body.detail]).toEqual([409, expect.stringContaining('0 of its 2 servers up')])
  })

  test('gets nothing for failTimeout', async () => {
    const { cutover, blue1, behaviour } = await pair({ passive: { ...FOREVER, failTimeout: '400ms' } })
    behaviour.answer = status(500)
    for (let i = 0; i < 2; i++) await askAt(cutover, blue1)
    let since = 0
    behaviour.answer = (_request, response) => {
      since = performance.now()
      response.writeHead(500).end()
    }
    await askAt(cutover, blue1)
    behaviour.answer = fine
    await ejected(cutover, 'blue1')
    await askAt(cutover, blue1)
    expect(performance.now() - since).toBeGreaterThan(400)
  })

  test('stays so when the table changes: another policy, another server, checks switched off', async () => {
    const { cutover, blue1, behaviour } = await withOneOut()
    behaviour.answer = fine
    const blue3 = await upstream('blue3', fine)
    for (const patch of [
      { balance: 'leastRequest' },
      { passive: { failTimeout: '2h' } },
      { health: 'off' },
      { timeouts: { response: '5s' } },
      { pools: { blue: { servers: { blue3: blue3.url } } } },
      { pools: { blue: { servers: { blue3: null } } } },
    ]) {
      expect((await cutover.api('PATCH', '/api/services/shop?wait=10s', patch)).body.changed).toBe(true)
      for (let i = 0; i < 10; i++) await ask(cutover)
      expect((await serverView(cutover, 'blue1')).health).toBe('ejected')
    }
    expect(blue1.requests).toHaveLength(3)
  })

  test('gets exactly one request then, whatever else there is; served, it is back', async () => {
    const all = await withOneOut()
    const { cutover, blue1, behaviour } = all
    const { handler, held, release } = holding()
    behaviour.answer = handler
    await timeIsOver(cutover)
    const answers = Array.from({ length: 40 }, () => ask(cutover))
    await blue1.arrived(4)
    await expectAll(cutover, 'blue2')
    expect([blue1.requests.length, held.length]).toEqual([4, 1])
    expect((await serverView(cutover, 'blue1')).health).toBe('ejected')
    behaviour.answer = fine
    release()
    const bodies = (await Promise.all(answers)).map(({ body }) => body)
    expect(bodies.filter((body) => body === 'blue1')).toHaveLength(1)
    await health(cutover, 'blue1', 'up')
    await expectBothIn(all)
    // Nothing is held against it.
    behaviour.answer = status(500)
    for (let i = 0; i < 2; i++) await askAt(cutover, blue1)
    behaviour.answer = fine
    await expectBothIn(all)
  })

  test('is ejected again by a request that fails then, as often as it does', async () => {
    const all = await withOneOut()
    const { cutover, blue1, behaviour } = all
    for (const tried of [4, 5]) {
      await timeIsOver(cutover)
      expect((await askAt(cutover, blue1)).status).toBe(500)
      await expectAll(cutover, 'blue2')
      await told(cutover)
      await expectAll(cutover, 'blue2')
      expect(blue1.requests).toHaveLength(tried)
    }
    behaviour.answer = status(404)
    await timeIsOver(cutover)
    expect((await askAt(cutover, blue1)).status).toBe(404)
    await health(cutover, 'blue1', 'up')
    behaviour.answer = fine
    await expectBothIn(all)
  })

  test('that refuses connections costs the request that tries it nothing', async () => {
    const all = await withOneOut({ retry: { attempts: 2 } })
    const { cutover, blue1, behaviour } = all
    behaviour.answer = fine
    await blue1.close()
    await timeIsOver(cutover)
    await expectAll(cutover, 'blue2')
    expect((await cutover.api('GET', '/metrics')).body).toContain(
      'cutover_retries_total{service="shop",reason="connection_refused"} 1',
    )
    const again = await upstream('blue1', fine, { port: blue1.port })
    await timeIsOver(cutover)
    await askAt(cutover, again)
    await health(cutover, 'blue1', 'up')
  })

  test('is tried by the next request when the one that tries it leaves', async () => {
    const { cutover, blue1, behaviour } = await withOneOut()
    behaviour.answer = () => undefined
    await timeIsOver(cutover)
    for (const seen of [4, 5]) {
      const leaving = new AbortController()
      const answer = ask(cutover, '/', { signal: leaving.signal })
      await blue1.arrived(seen)
      await expectAll(cutover, 'blue2', 5)
      leaving.abort()
      await expect(answer).rejects.toThrow()
      await until(async () => (await serverView(cutover, 'blue1')).inFlight === 0)
    }
    behaviour.answer = fine
    expect((await ask(cutover)).body).toBe('blue1')
    await health(cutover, 'blue1', 'up')
  })

  test('is tried by an upgrade as well', async () => {
    const { cutover, blue1 } = await withOneOut()
    blue1.server.on('upgrade', (_request, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    })
    await timeIsOver(cutover)
    expect(await upgrade(cutover)).toBe(101)
    await health(cutover, 'blue1', 'up')
  })

  test('is back, without counted failures, when a check has failed and passed, or a drain is over', async () => {
    const all = await withOneOut({ health: { interval: '20ms' } })
    const { cutover, blue1, behaviour } = all
    behaviour.answer = fine
    blue1.health = 503
    await health(cutover, 'blue1', 'down')
    blue1.health = 200
    await health(cutover, 'blue1', 'up')
    await expectBothIn(all)

    behaviour.answer = status(500)
    for (let i = 0; i < 3; i++) await askAt(cutover, blue1)
    await ejected(cutover, 'blue1')
    behaviour.answer = fine
    await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
    await cutover.api('POST', '/api/servers/blue1/enable?wait=10s')
    await expectBothIn(all)
  })

  test('is let in when the others are drained', async () => {
    const { cutover, behaviour } = await withOneOut()
    behaviour.answer = fine
    await cutover.api('POST', '/api/servers/blue2/drain?wait=10s', { force: true })
    await expectAll(cutover, 'blue1')
  })
})

describe('maxEjected', () => {
  async function failing(count: number, passive: object): Promise<{ cutover: Cutover; servers: Upstream[] }> {
    const names = Array.from({ length: count }, (_, i) => `blue${i + 1}`)
    const servers = await Promise.all(names.map((name) => upstream(name, status(500))))
    const cutover = await define('shop', { pools: { blue: pool(...servers) }, ...SERVICE, passive })
    return { cutover, servers }
  }

  async function countEjected(cutover: Cutover): Promise<number> {
    const { body } = await cutover.api('GET', '/api/services/shop')
    return body.pools[0].servers.filter((server: { health: string }) => server.health === 'ejected').length
  }

  test.each([
    [5, '50%', 2],
    [2, '100%', 1],
    [1, '100%', 0],
    [3, 0, 0],
  ])('of %i servers that all fail, %s: %i', async (count, maxEjected, most) => {
    const { cutover } = await failing(count, { maxFails: 2, failTimeout: '1h', maxEjected })
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all(Array.from({ length: 10 }, () => ask(cutover)))
      for (const answer of answers) expect(answer.status).toBe(500)
      await told(cutover)
      expect(await countEjected(cutover)).toBe(most)
    }
  })

  test('maxFails 0 switches ejection off, and un-ejects servers', async () => {
    const { cutover, servers } = await failing(2, { maxFails: 1 })
    await ask(cutover)
    await until(() => countEjected(cutover))
    await cutover.api('PATCH', '/api/services/shop?wait=10s', { passive: { maxFails: 0 } })
    const before = servers.map(({ requests }) => requests.length)
    for (let i = 0; i < 20; i++) await ask(cutover)
    await told(cutover)
    for (let i = 0; i < 20; i++) await ask(cutover)
    expect(servers.map(({ requests }, i) => requests.length - (before[i] ?? 0))).toEqual([20, 20])
    expect(await countEjected(cutover)).toBe(0)
  })
})

describe('panic', () => {
  const NAMES = ['blue1', 'blue2', 'blue3', 'blue4']

  async function four(service: object): Promise<{ cutover: Cutover; servers: Upstream[] }> {
    const servers = await Promise.all(NAMES.map((name) => upstream(name)))
    const pools = { blue: pool(...servers), ...('pools' in service ? (service.pools as object) : {}) }
    const cutover = await define('shop', { balance: 'roundRobin', ...service, pools })
    return { cutover, servers }
  }

  async function goDown(cutover: Cutover, servers: readonly Upstream[]): Promise<void> {
    for (const server of servers) server.health = 503
    await Promise.all(servers.map(({ name }) => health(cutover, name, 'down')))
  }

  test('below its share of servers that are up, those that are down get requests as well', async () => {
    const { cutover, servers } = await four({ panic: '50%' })
    await goDown(cutover, servers.slice(0, 2))
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue3: 20, blue4: 20 })
    await goDown(cutover, servers.slice(2, 3))
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue1: 10, blue2: 10, blue3: 10, blue4: 10 })
    await goDown(cutover, servers.slice(3))
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue1: 10, blue2: 10, blue3: 10, blue4: 10 })
    for (const server of servers.slice(0, 2)) server.health = 200
    await Promise.all([health(cutover, 'blue1', 'up'), health(cutover, 'blue2', 'up')])
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue1: 20, blue2: 20 })
  })

  test('those that are drained, in maintenance or not checked yet get none, and do not count', async () => {
    const { cutover, servers } = await four({ panic: '100%', minReady: 0 })
    await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
    await cutover.api('PATCH', '/api/servers/blue2?wait=10s', { state: 'maint' })
    await goDown(cutover, servers.slice(2))
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue3: 20, blue4: 20 })

    // Its checks are never answered.
    const silent = await upstream('blue5', () => undefined)
    silent.server.removeAllListeners('request')
    await cutover.api('PUT', '/api/services/shop/pools/blue/servers/blue5?wait=10s', silent.url)
    expect((await serverView(cutover, 'blue5')).health).toBe('unknown')
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue3: 20, blue4: 20 })
    await cutover.api('PATCH', '/api/servers/blue3?wait=10s', { state: 'maint' })
    await cutover.api('PATCH', '/api/servers/blue4?wait=10s', { state: 'drain' })
    expect((await ask(cutover)).status).toBe(503)
  })

  test('another pool that has a share comes before servers that are down; one without a share gets nothing', async () => {
    const green = await upstream('green1')
    const pools = { green: pool(green) }
    const { cutover, servers } = await four({ pools, split: { blue: 75, green: 25 }, panic: '50%' })
    await goDown(cutover, servers)
    expect(await spread(cutover, ['green1'], 40)).toEqual({ green1: 40 })
    await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'blue', force: true })
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue1: 10, blue2: 10, blue3: 10, blue4: 10 })
  })

  test('ejected servers count as not up', async () => {
    const { cutover, blue1, behaviour } = await pair({ panic: '60%' })
    behaviour.answer = status(500)
    for (let i = 0; i < 3; i++) await askAt(cutover, blue1)
    await ejected(cutover, 'blue1')
    behaviour.answer = fine
    expect(await spread(cutover, NAMES, 40)).toEqual({ blue1: 20, blue2: 20 })
    expect((await serverView(cutover, 'blue1')).health).toBe('ejected')
  })
})
