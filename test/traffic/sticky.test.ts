import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { until } from '../support/until.ts'
import type { Upstream } from '../support/upstream.ts'
import { ask, define, health, holding, pool, raw, spread, start, upstream, watched } from './support.ts'
import { echoing } from './websocket-peers.ts'

const STICKY = { sticky: { cookie: 'server' } }

interface Setting {
  readonly cutover: Cutover
  readonly blue1: Upstream
  readonly blue2: Upstream
  readonly green1: Upstream
}

/** A sticky service `shop` with two blue servers and a green one. */
async function shop(service: object = {}): Promise<Setting> {
  const [blue1, blue2, green1] = [await upstream('blue1'), await upstream('blue2'), await upstream('green1')]
  const pools = { blue: pool(blue1, blue2), green: pool(green1) }
  const split = { blue: 50, green: 50 }
  return { cutover: await define('shop', { pools, split, ...STICKY, ...service }), blue1, blue2, green1 }
}

/** A client that keeps the cookie `server`. */
class Client {
  cookie = ''
  private readonly cutover: Cutover
  private readonly headers: Record<string, string>

  constructor(cutover: Cutover, headers: Record<string, string> = {}) {
    this.cutover = cutover
    this.headers = headers
  }

  /** Sends a request; returns the server's name. */
  async ask(path = '/'): Promise<string> {
    const headers = { ...this.headers, ...(this.cookie && { cookie: `a=b; server=${this.cookie}` }) }
    const answer = await ask(this.cutover, path, { headers })
    const [set = ''] = answer.headers.getSetCookie()
    this.cookie = /^server=([^;]*)/.exec(set)?.[1] ?? this.cookie
    return answer.status === 200 ? answer.body : String(answer.status)
  }

  /** Sends so many requests; returns the names of the servers. */
  async servers(count = 10): Promise<ReadonlySet<string>> {
    const names = new Set<string>()
    for (let i = 0; i < count; i++) names.add(await this.ask())
    return names
  }
}

/** A client at a server, with its cookie. Two calls at once may get the turns of each other for ever. */
async function clientAt(cutover: Cutover, name: string, headers: Record<string, string> = {}): Promise<Client> {
  for (;;) {
    const client = new Client(cutover, headers)
    if ((await client.ask()) === name) return client
  }
}

const shift = (cutover: Cutover, split: object) => cutover.api('POST', '/api/services/shop/shift?wait=10s', { split })

/** The counts of `cutover_sticky_requests_total`, by result. */
async function results(cutover: Cutover): Promise<Readonly<Record<string, number>>> {
  const { body } = await cutover.api('GET', '/metrics')
  const lines = body.matchAll(/^cutover_sticky_requests_total\{service="shop",result="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...lines].map(([, result, count]) => [result, Number(count)]))
}

describe('the cookie', () => {
  test('is issued once, reveals nothing, and keeps the client at its server and in its pool', async () => {
    const { cutover } = await shop({ sticky: { cookie: 'server', ttl: '1h' } })
    const before = await results(cutover)
    const first = await ask(cutover)
    const [cookie = '', ...others] = first.headers.getSetCookie()
    expect(others).toEqual([])
    expect(cookie).toMatch(/^server=[\w-]{22}; Path=\/; Max-Age=3600; HttpOnly; SameSite=Lax$/)
    for (let i = 0; i < 20; i++) {
      const again = await ask(cutover, '/', { headers: { cookie: `x=y; ${cookie.split(';')[0]}` } })
      expect([again.body, again.headers.getSetCookie()]).toEqual([first.body, []])
    }
    const { kept = 0, new: fresh = 0 } = await results(cutover)
    expect([kept - (before.kept ?? 0), fresh - (before.new ?? 0)]).toEqual([20, 1])
  })

  test('is Secure for a client that came by https, and the app gets it and may set its own', async () => {
    const blue = await upstream('blue1', (_request, response) => response.setHeader('set-cookie', 'app=1').end('blue1'))
    const service = { pools: { blue: pool(blue) }, health: 'off', ...STICKY, splitBy: 'cookie' }
    const cutover = await start({ services: { shop: service }, proxy: { trustedProxies: ['127.0.0.0/8'] } })
    const { headers } = await ask(cutover, '/', { headers: { 'x-forwarded-proto': 'https', cookie: 'server=x' } })
    const [app, id = '', server = ''] = headers.getSetCookie()
    expect(app).toBe('app=1')
    expect(id).toMatch(/^cutover_id=/)
    expect(server).toMatch(/^server=[\w-]{22}; .*; Secure$/)
    expect(blue.requests[0]?.headers.cookie).toBe('server=x')
  })

  test('that is forged, or of another server or service, is ignored and replaced', async () => {
    const { cutover } = await shop()
    const other = await upstream('other1')
    await define('other', { pools: { blue: pool(other) }, paths: ['/other'], ...STICKY })
    const foreign = new Client(cutover)
    expect(await foreign.ask('/other')).toBe('other1')
    for (const cookie of [foreign.cookie, 'blue1', '', 'x'.repeat(2_000), '__proto__', 'constructor']) {
      const client = new Client(cutover)
      client.cookie = cookie
      await client.ask()
      expect(client.cookie).toMatch(/^[\w-]{22}$/)
      expect(client.cookie).not.toBe(cookie)
      expect((await client.servers()).size).toBe(1)
    }
  })

  test('is not issued with an answer of our own', async () => {
    const { cutover, blue1, blue2, green1 } = await shop({ health: { interval: '1h' }, passive: { maxFails: 0 } })
    await Promise.all([blue1.close(), blue2.close(), green1.close()])
    const { status, headers } = await ask(cutover)
    expect([status, headers.getSetCookie()]).toEqual([502, []])
  })
})

test('T11 sticky clients do not bend the split of the others: 5 % of 4,000 new clients are 200', async () => {
  const { cutover } = await shop()
  const names = ['green1', 'blue1', 'green1']
  const sticky: Client[] = []
  for (const name of names) sticky.push(await clientAt(cutover, name))
  await shift(cutover, { blue: 95, green: 5 })
  const others = watched(spread(cutover, ['blue1', 'blue2', 'green1'], 4_000))
  let rounds = 0
  for (; !others.settled; rounds++) {
    expect(await Promise.all(sticky.map((client) => client.ask()))).toEqual(names)
  }
  expect(rounds).toBeGreaterThan(10)
  expect(Math.abs(((await others.promise).green1 ?? 0) - 200)).toBeLessThanOrEqual(1)
})

describe('a client moves, and gets the cookie of its new server,', () => {
  test('when its server is drained; a client of another server does not', async () => {
    const { cutover } = await shop()
    const [client, other] = [await clientAt(cutover, 'blue1'), await clientAt(cutover, 'blue2')]
    const cookie = client.cookie
    const { body } = await cutover.api('POST', '/api/servers/blue1/drain?wait=10s')
    expect(body.drained).toEqual(['blue1'])
    const now = await client.servers()
    expect(now.size).toBe(1)
    expect(now).not.toContain('blue1')
    expect(await other.servers()).toEqual(new Set(['blue2']))
    await cutover.api('POST', '/api/servers/blue1/enable?wait=10s')
    expect(await client.servers()).toEqual(now)
    client.cookie = cookie
    expect(await client.servers()).toEqual(new Set(['blue1']))
  })

  test('when its server goes down', async () => {
    const { cutover, blue1 } = await shop()
    const client = await clientAt(cutover, 'blue1')
    blue1.health = 503
    await health(cutover, 'blue1', 'down')
    const now = await client.servers()
    expect([now.size, now.has('blue1')]).toEqual([1, false])
    blue1.health = 200
    await health(cutover, 'blue1', 'up')
    expect(await client.servers()).toEqual(now)
  })

  test('when its server refuses connections, with the request that found out', async () => {
    const { cutover, blue1 } = await shop({ health: { interval: '1h' }, passive: { maxFails: 0 } })
    const client = await clientAt(cutover, 'blue1')
    await blue1.close()
    const [first, ...others] = await client.servers()
    expect([others.length, first === 'blue1']).toEqual([0, false])
  })

  test('when its server is full', async () => {
    const { handler, held, release } = holding()
    const blue1 = await upstream('blue1', (request, response, recorded) => {
      if (request.url === '/hold') handler(request, response, recorded)
      else response.end('blue1')
    })
    const pools = { blue: pool(blue1, await upstream('blue2')) }
    const cutover = await define('shop', {
      pools,
      connections: { perServer: 1 },
      timeouts: { queue: '10s' },
      ...STICKY,
    })
    const client = await clientAt(cutover, 'blue1')
    const busy = client.ask('/hold')
    await until(() => held.length === 1)
    const second = new Client(cutover)
    second.cookie = client.cookie
    expect(await second.servers()).toEqual(new Set(['blue2']))
    expect(second.cookie).not.toBe(client.cookie)
    release()
    expect(await busy).toBe('blue1')
    expect(await client.servers()).toEqual(new Set(['blue1']))
  })

  test('when its pool loses its share: the clients of an aborted canary leave at once', async () => {
    const { cutover } = await shop()
    const clients: Client[] = []
    while (clients.length < 5) clients.push(await clientAt(cutover, 'green1'))
    await shift(cutover, { blue: 99.99, green: 0.01 })
    for (const client of clients) expect(await client.ask()).toBe('green1')
    const { status, body } = await cutover.api('POST', '/api/services/shop/switch?wait=10s', { to: 'blue' })
    expect([status, body.drained]).toEqual([200, ['green']])
    const before = (await results(cutover)).moved ?? 0
    for (const client of clients) {
      const now = await client.servers()
      expect([now.size, now.has('green1')]).toEqual([1, false])
    }
    expect(((await results(cutover)).moved ?? 0) - before).toBe(5)
  })
})

test('a backup keeps its clients only while it is its turn', async () => {
  const [blue1, spare] = [await upstream('blue1'), await upstream('spare')]
  const servers = { blue1: blue1.url, spare: { url: spare.url } }
  const cutover = await define('shop', { pools: { blue: { servers } }, ...STICKY })
  const backup = { blue: { servers: { spare: { backup: true } } } }
  await cutover.api('PATCH', '/api/services/shop?wait=10s', { pools: backup })
  blue1.health = 503
  await health(cutover, 'blue1', 'down')
  const client = await clientAt(cutover, 'spare')
  blue1.health = 200
  await health(cutover, 'blue1', 'up')
  expect(await client.servers()).toEqual(new Set(['blue1']))
})

describe('the order of the policies', () => {
  test('a client by splitBy is in the pool of its key, and sticky within it', async () => {
    const { cutover } = await shop({ splitBy: 'header:x-user' })
    const user = async (name: string, server: string): Promise<Client> => {
      const client = new Client(cutover, { 'x-user': name })
      client.cookie = (await clientAt(cutover, server)).cookie
      return client
    }
    for (let i = 0; i < 8; i++) {
      const [alone, atGreen] = [new Client(cutover, { 'x-user': `u${i}` }), await user(`u${i}`, 'green1')]
      const own = await alone.servers()
      expect(own.size).toBe(1)
      const poolOf = (names: ReadonlySet<string>) => [...names].map((name) => name.slice(0, -1))
      expect(poolOf(await atGreen.servers())).toEqual(poolOf(own))
      const atBlue2 = await user(`u${i}`, 'blue2')
      expect(await atBlue2.servers()).toEqual(own.has('green1') ? own : new Set(['blue2']))
    }
  })

  test('a route decides the pool, with a share or without, and the cookie the server in it', async () => {
    const [blue1, green1, green2] = [await upstream('blue1'), await upstream('green1'), await upstream('green2')]
    const routes = [{ name: 'beta', match: { header: { 'x-beta': '1' } }, to: 'green' }]
    const pools = { blue: pool(blue1), green: pool(green1, green2) }
    const cutover = await define('shop', { pools, split: { blue: 100 }, routes, ...STICKY })
    const beta = await clientAt(cutover, 'green2', { 'x-beta': '1' })
    expect(await beta.servers()).toEqual(new Set(['green2']))
    const plain = new Client(cutover)
    plain.cookie = beta.cookie
    expect(await plain.servers()).toEqual(new Set(['blue1']))
  })
})

test('a WebSocket stays at its server, and its upgrade sets the cookie', async () => {
  const { cutover, ...servers } = await shop()
  const peers = Object.values(servers).map((server) => ({ name: server.name, accepted: echoing(server) }))
  const connection = await raw(cutover)
  const key = 'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
  connection.send(`GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n${key}\r\n\r\n`)
  const head = await connection.head()
  expect([head.status, head.field('set-cookie')]).toEqual([101, expect.stringMatching(/^server=[\w-]{22}; /)])
  const server = peers.find(({ accepted }) => accepted.length > 0)?.name
  const [cookie = ''] = String(head.field('set-cookie')).split(';')
  for (let i = 0; i < 8; i++) {
    const socket = new WebSocket(cutover.proxy.replace('http', 'ws'), { headers: { cookie } })
    atEnd(() => socket.terminate())
    socket.once('open', () => socket.send('hi'))
    const [message] = await once(socket, 'message')
    expect(String(message)).toBe(`${server}: hi`)
  }
})
