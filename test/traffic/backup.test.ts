import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import type { Handler, Upstream } from '../support/upstream.ts'
import { ask, define, health, holding, poolView, serverView, spread, upstream } from './support.ts'

const NAMES = ['main1', 'main2', 'spare']
const fails: Handler = (_request, response) => response.writeHead(500).end()

/** The servers of a pool; those named `spare…` are backups. */
function pools(...servers: readonly Upstream[]): object {
  const entries = servers.map(({ name, url }) => [name, name.startsWith('spare') ? { url, backup: true } : url])
  return { blue: { servers: Object.fromEntries(entries) } }
}

interface Setting {
  readonly cutover: Cutover
  readonly main1: Upstream
  readonly main2: Upstream
  readonly spare: Upstream
}

async function twoAndSpare(service: object = {}): Promise<Setting> {
  const [main1, main2, spare] = [await upstream('main1'), await upstream('main2'), await upstream('spare')]
  return { cutover: await definedWith(service, main1, main2, spare), main1, main2, spare }
}

/** A service `shop` with these servers, all of which are up. */
async function definedWith(service: object, ...servers: readonly Upstream[]): Promise<Cutover> {
  // `define` waits until all servers of a pool are up; backups do not count in `up`, so the servers are asked one by one.
  const plain = { servers: Object.fromEntries(servers.map(({ name, url }) => [name, url])) }
  const cutover = await define('shop', { pools: { blue: plain }, ...service })
  const { body } = await cutover.api('PATCH', '/api/services/shop?wait=10s', { pools: pools(...servers) })
  expect(body.changed).toBe(true)
  return cutover
}

async function inUse(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(/^cutover_backups_in_use\{service="shop",pool="blue"\} (\d)$/m.exec(body)?.[1])
}

describe('a backup', () => {
  test.for(['leastRequest', 'roundRobin', 'hash:path'])(
    'gets requests only while no other server is up, with balance %s',
    async (balance) => {
      const { cutover, main1, main2 } = await twoAndSpare({ balance })
      const { spare: none, ...rest } = await spread(cutover, NAMES, 100)
      expect([none, (rest.main1 ?? 0) + (rest.main2 ?? 0)]).toEqual([undefined, 100])
      expect([(await poolView(cutover, 'blue')).up, await inUse(cutover)]).toEqual([2, 0])
      main1.health = 503
      await health(cutover, 'main1', 'down')
      expect(await spread(cutover, NAMES, 50)).toEqual({ main2: 50 })
      main2.health = 503
      await health(cutover, 'main2', 'down')
      expect(await spread(cutover, NAMES, 50)).toEqual({ spare: 50 })
      expect([(await poolView(cutover, 'blue')).up, await inUse(cutover)]).toEqual([1, 1])
      main1.health = 200
      await health(cutover, 'main1', 'up')
      expect(await spread(cutover, NAMES, 50)).toEqual({ main1: 50 })
    },
  )

  test('is shown as one, and is missed when it is down', async () => {
    const { cutover, spare } = await twoAndSpare()
    expect([(await serverView(cutover, 'spare')).backup, (await serverView(cutover, 'main1')).backup]).toEqual([
      true,
      undefined,
    ])
    spare.health = 503
    await health(cutover, 'spare', 'down')
    const { parts } = (await cutover.api('GET', '/health')).body
    expect(parts['service shop']).toEqual({ status: 'degraded', detail: 'blue: 2 of 3 servers take requests' })
  })

  test('lets the last other server be drained, and gets its requests; enabled, it has them back', async () => {
    const { cutover } = await twoAndSpare()
    await cutover.api('POST', '/api/servers/main1/drain?wait=10s')
    const { status, body } = await cutover.api('POST', '/api/servers/main2/drain?wait=10s')
    expect([status, body.drained]).toEqual([200, ['main2']])
    expect(await spread(cutover, NAMES, 50)).toEqual({ spare: 50 })
    expect((await cutover.api('POST', '/api/servers/spare/drain')).status).toBe(409)
    await cutover.api('POST', '/api/servers/main2/enable?wait=10s')
    expect(await spread(cutover, NAMES, 50)).toEqual({ main2: 50 })
  })

  test('does not stand in for minReady beside another server', async () => {
    const { cutover } = await twoAndSpare({ minReady: 2 })
    const { status, body } = await cutover.api('POST', '/api/servers/main1/drain')
    expect(status).toBe(409)
    expect(body.detail).toContain('with 1 of its 3 servers up, fewer than minReady (2)')
    expect(body.detail).toContain('spare is a backup')
  })

  test('takes over when all others are ejected, and hands back when one of them works', async () => {
    let handler = fails
    const main1 = await upstream('main1', (...given) => handler(...given))
    const main2 = await upstream('main2', (...given) => handler(...given))
    const spare = await upstream('spare')
    const passive = { maxFails: 3, failTimeout: '1h' }
    const cutover = await definedWith({ passive, retry: { attempts: 1 } }, main1, main2, spare)
    await until(async () => (await ask(cutover)).body === 'spare')
    const [seen1, seen2] = [main1.requests.length, main2.requests.length]
    expect(await spread(cutover, NAMES, 50)).toEqual({ spare: 50 })
    expect([main1.requests.length, main2.requests.length]).toEqual([seen1, seen2])
    expect(await inUse(cutover)).toBe(1)
    handler = (_request, response) => response.end(String(response.getHeader('x-upstream')))
    await cutover.api('PATCH', '/api/services/shop?wait=10s', { passive: { failTimeout: '1ms' } })
    await until(async () => (await ask(cutover)).body !== 'spare')
    // An ejected server is back when a request has tried it.
    for (const name of ['main1', 'main2']) {
      await until(async () => (await ask(cutover)) && (await serverView(cutover, name)).health === 'up')
    }
    expect((await spread(cutover, NAMES, 50)).spare).toBeUndefined()
  })

  test('gets none while others are in panic, except if none of them is up', async () => {
    const { cutover, main1, main2 } = await twoAndSpare({ panic: '100%' })
    main1.health = 503
    await health(cutover, 'main1', 'down')
    const { spare: none, ...rest } = await spread(cutover, NAMES, 50)
    expect([none, Object.keys(rest).sort()]).toEqual([undefined, ['main1', 'main2']])
    main2.health = 503
    await health(cutover, 'main2', 'down')
    expect(await spread(cutover, NAMES, 50)).toEqual({ spare: 50 })
  })

  test('does not take what waits for a full server', async () => {
    const { handler, held, release } = holding()
    const [main1, spare] = [await upstream('main1', handler), await upstream('spare')]
    const full = { connections: { perServer: 1 }, timeouts: { queue: '10s' } }
    const cutover = await definedWith(full, main1, spare)
    const answers = [ask(cutover), ask(cutover)]
    await until(() => held.length === 1)
    await until(async () =>
      /^cutover_queued_requests\{service="shop"\} 1$/m.test((await cutover.api('GET', '/metrics')).body),
    )
    release()
    await until(() => held.length === 1)
    release()
    expect((await Promise.all(answers)).map(({ body }) => body)).toEqual(['main1', 'main1'])
  })
})

describe('a retry', () => {
  const calm = { health: { interval: '1h' }, passive: { maxFails: 0 }, balance: 'roundRobin' }

  test('goes to another server first, and to the backup if there is none', async () => {
    const { cutover, main1, main2, spare } = await twoAndSpare({ ...calm, retry: { attempts: 3 } })
    await main1.close()
    expect(await spread(cutover, NAMES, 50)).toEqual({ main2: 50 })
    await main2.close()
    expect(await spread(cutover, NAMES, 20)).toEqual({ spare: 20 })
    expect(spare.requests).toHaveLength(20)
  })

  test('of a request that the server broke off goes to that server again rather than to the backup', async () => {
    let broken = 0
    const main1 = await upstream('main1', (request, response) => {
      if (broken++ % 2 === 0) request.socket.resetAndDestroy()
      else response.end('main1')
    })
    const spare = await upstream('spare')
    const cutover = await definedWith(calm, main1, spare)
    for (let i = 0; i < 5; i++) expect((await ask(cutover)).body).toBe('main1')
    expect([main1.requests.length, spare.requests.length]).toEqual([10, 0])
  })

  test('by status goes to the backup', async () => {
    const [main1, spare] = [await upstream('main1', fails), await upstream('spare')]
    const cutover = await definedWith({ ...calm, retry: { statuses: [500] } }, main1, spare)
    expect((await ask(cutover)).body).toBe('spare')
  })
})
