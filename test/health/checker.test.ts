import { once } from 'node:events'
import { afterEach, describe, expect, test } from 'vitest'
import { checker, endAll, silent, statuses, target, upstream } from './support.ts'

const HOUR = 3_600_000

afterEach(endAll)

describe('T14 a new target', () => {
  test('is unknown until its first probe has passed', async () => {
    const { server, held } = await silent()
    const { checks, changes, changed } = checker()
    checks.watch([target('a', server)])
    await server.arrived(1)
    expect(checks.get('a')).toEqual({ health: 'unknown', probed: false, last: null })
    expect(checks.get('never heard of')).toEqual({ health: 'unknown', probed: false, last: null })
    held[0]?.end()
    await changed(1)
    expect(changes).toEqual(['a up'])
    expect(checks.get('a')).toEqual({
      health: 'up',
      probed: true,
      since: '1970-01-01T00:00:00.000Z',
      last: {
        at: '1970-01-01T00:00:00.000Z',
        ok: true,
        status: 200,
        ms: expect.any(Number),
        error: null,
        isLocal: false,
      },
    })
  })

  test('stays unknown, though probed, until `fall` consecutive failures', async () => {
    const server = await statuses(503)
    const { checks, changes, changed } = checker()
    checks.watch([target('a', server)])
    await server.arrived(3)
    expect(checks.get('a')).toMatchObject({ health: 'unknown', probed: true, last: { ok: false, error: 'status 503' } })
    await changed(1)
    expect(changes).toEqual(['a down'])
  })

  test('is up after `rise` consecutive passes', async () => {
    const server = await statuses(200, 503, 200, 200, 200)
    const { checks, changed } = checker()
    checks.watch([target('a', server, { rise: 3 })])
    await server.arrived(5)
    expect(checks.get('a').health).toBe('unknown')
    await changed(1)
    expect(checks.get('a').health).toBe('up')
  })
})

describe('T15 a server goes down', () => {
  test('with fall 3 after F F F, not after F P F P F P F; one pass brings it up', async () => {
    const [P, F] = [200, 503]
    const server = await statuses(P, F, P, F, P, F, P, F, P, F, F, F, P)
    const { checks, changes, changed } = checker()
    checks.watch([target('a', server)])
    await server.arrived(12) // Two of the three failures are counted by then.
    expect(changes).toEqual(['a up'])
    await changed(3)
    expect(changes).toEqual(['a up', 'a down', 'a up'])
  })

  test('by probes slower than the timeout', async () => {
    const { server } = await silent()
    const { checks, changes, changed } = checker()
    checks.watch([target('a', server, { timeoutMs: 30, fall: 2 })])
    await changed(1)
    expect(changes).toEqual(['a down'])
    expect(checks.get('a').last).toMatchObject({ ok: false, status: null, error: 'timeout' })
  })

  test('a slow probe of one server does not delay others', async () => {
    const { server: slow } = await silent()
    const server = await upstream()
    const { checks, changes } = checker()
    checks.watch([target('slow', slow), target('a', server)])
    await server.arrived(10)
    expect(changes).toEqual(['a up'])
    expect(slow.requests).toHaveLength(1)
  })
})

describe('T16 two keys that probe one address differently', () => {
  test('are independent', async () => {
    const server = await upstream((request, response) => {
      response.writeHead(request.headers.host === 'shop' ? 200 : 503).end()
    })
    const { checks, changes, changed } = checker()
    checks.watch([target('shop', server, { host: 'shop' }), target('blog', server, { host: 'blog', path: '/other' })])
    await changed(2)
    expect(changes.sort()).toEqual(['blog down', 'shop up'])
    expect(checks.get('blog').last).toMatchObject({ status: 503 })
    expect(new Set(server.requests.map(({ url, headers }) => `${headers.host}${url}`))).toEqual(
      new Set(['shop/check', 'blog/other']),
    )
  })
})

describe('two keys that probe one address alike', () => {
  test('share one check and its result', async () => {
    const server = await upstream()
    const { checks, changes, changed } = checker({ random: () => 0.5 })
    const spec = { intervalMs: HOUR, headers: { a: '1' } }
    checks.watch([target('shop', server, spec), target('blog', server, spec)])
    await changed(2)
    expect(changes).toEqual(['shop up', 'blog up'])
    expect(server.requests).toHaveLength(1)
  })

  test('a later key takes over the health, and keeps it when the first one is dropped', async () => {
    const server = await statuses(200, 503)
    const { checks, changes, changed } = checker({ random: () => 0.5 })
    const spec = { intervalMs: HOUR }
    checks.watch([target('old', server, spec)])
    await changed(1)
    const known = checks.get('old')
    checks.watch([target('new', server, spec)])
    expect(checks.get('new')).toEqual(known)
    expect(checks.get('old')).toMatchObject({ health: 'unknown', probed: false })
    expect(server.requests).toHaveLength(1)
    expect(changes).toEqual(['old up'])
  })
})

test.each(['up', 'down'] as const)('known health %s is kept until a new check decides', async (health) => {
  const server = await statuses(health === 'up' ? 503 : 200)
  const { checks, counted, changed } = checker()
  const known = { health, probed: true, last: null }
  checks.watch([{ ...target('a', server, { rise: 3, fall: 3 }), known }])
  expect(checks.undecidedCount).toBe(0)
  for (const count of [0, 1, 2]) {
    await counted(count)
    if (count > 0) expect(checks.get('a').health).toBe(health)
  }
  await changed(1)
  expect(checks.get('a').health).toBe(health === 'up' ? 'down' : 'up')
})

describe('T14 a change of the targets', () => {
  test('keeps the health of unchanged targets, without probing them again', async () => {
    const [a, b] = [await upstream(), await upstream()]
    const { checks, changes, changed } = checker({ random: () => 0.5 })
    checks.watch([target('a', a, { intervalMs: HOUR })])
    await changed(1)
    checks.watch([target('a', a, { intervalMs: HOUR }), target('b', b, { intervalMs: HOUR })])
    expect(checks.get('a').health).toBe('up')
    await changed(2)
    expect(changes).toEqual(['a up', 'b up'])
    expect(a.requests).toHaveLength(1)
  })

  test('of a spec applies at once to the current health and counts', async () => {
    const server = await statuses(200, 503)
    const { checks, changes, counted } = checker({ random: () => 0.5 })
    for (const [i, path] of ['/one', '/two', '/three', '/four'].entries()) {
      expect(checks.get('a').health).toBe(i === 0 ? 'unknown' : 'up')
      checks.watch([target('a', server, { intervalMs: HOUR, path })])
      await counted(i + 1)
    }
    expect(changes).toEqual(['a up', 'a down'])
    expect(server.requests.map(({ url }) => url)).toEqual(['/one', '/two', '/three', '/four'])
  })

  test('of a spec aborts the current probe, whose result does not count', async () => {
    const { server, held } = await silent()
    const { checks, changes, changed } = checker()
    checks.watch([target('a', server, { fall: 1 })])
    await server.arrived(1)
    checks.watch([target('a', server, { fall: 1, path: '/new' })])
    await server.arrived(2)
    held[0]?.writeHead(503).end()
    held[1]?.end()
    await changed(1)
    expect(changes).toEqual(['a up'])
  })

  test('T6 aborts the probe of a dropped target, whose late result changes nothing', async () => {
    const { server, held } = await silent()
    const other = await upstream()
    const { checks, changes } = checker()
    checks.watch([target('a', server)])
    await server.arrived(1)
    const closed = Promise.all([...server.sockets].map((socket) => once(socket, 'close')))
    held[0]?.end()
    checks.watch([target('other', other)])
    await closed
    await other.arrived(5)
    expect(changes).toEqual(['other up'])
    expect(checks.get('a')).toEqual({ health: 'unknown', probed: false, last: null })
    expect(server.requests).toHaveLength(1)
  })

  test('forgets a dropped target: when added again, it is unknown until it passes', async () => {
    const { server, held } = await silent()
    const { checks, changes, changed } = checker({ random: () => 0.5 })
    checks.watch([target('a', server, { intervalMs: HOUR })])
    await server.arrived(1)
    held[0]?.end()
    await changed(1)
    checks.watch([])
    checks.watch([target('a', server, { intervalMs: HOUR })])
    await server.arrived(2)
    expect(checks.get('a')).toEqual({ health: 'unknown', probed: false, last: null })
    held[1]?.end()
    await changed(2)
    expect(changes).toEqual(['a up', 'a up'])
  })

  test('may be made within onChange', async () => {
    const [a, b] = [await upstream(), await upstream()]
    const { checks, changes } = checker({ onChange: () => checks.watch([target('b', b)]) })
    checks.watch([target('a', a)])
    await b.arrived(5)
    expect(changes).toEqual(['a up', 'b up'])
    expect(a.requests).toHaveLength(1)
  })
})
