import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { ask, blueGreen, define, holding, pool, raw, start, upstream, watched } from './support.ts'

const post = (cutover: Cutover, verb: string, body?: object, query = '') =>
  cutover.api('POST', `/api/services/shop/${verb}${query}`, body)

/** The number of requests that are held, as the metrics have it. */
async function held(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(/^cutover_held_requests\{service="shop"\} (\d+)$/m.exec(body)?.[1])
}

const mode = async (cutover: Cutover): Promise<string> => (await cutover.api('GET', '/api/services/shop')).body.mode

describe('pause', () => {
  test('holds requests, bodies unread, until resume; then they are served', async () => {
    const { cutover, blue } = await blueGreen()
    const paused = await post(cutover, 'pause', undefined, '?wait=5s')
    expect(paused.status).toBe(200)
    expect(paused.body).toMatchObject({ changed: true, drained: ['blue'], cut: 0, service: { mode: 'paused' } })
    expect(paused.body.times).toEqual({ applied: expect.any(Number), idle: expect.any(Number) })
    const body = 'x'.repeat(300_000)
    const asked = [ask(cutover), ask(cutover, '/', { method: 'POST', body })].map(watched)
    await until(async () => (await held(cutover)) === 2)
    expect(blue.requests).toHaveLength(0)
    expect(asked.map(({ settled }) => settled)).toEqual([false, false])
    expect((await post(cutover, 'resume', undefined, '?wait=5s')).body).toMatchObject({
      changed: true,
      service: { mode: 'serving' },
    })
    for (const { promise } of asked) expect(await promise).toMatchObject({ status: 200, body: 'blue1' })
    expect(blue.requests.find(({ method }) => method === 'POST')?.body).toHaveLength(300_000)
    expect(await held(cutover)).toBe(0)
  })

  test('?wait= answers when nothing is in flight at a server any more', async () => {
    const { handler, held: underWay, release } = holding()
    const { cutover } = await blueGreen(handler)
    const before = ask(cutover)
    await until(() => underWay.length === 1)
    const short = await post(cutover, 'pause', undefined, '?wait=100ms')
    expect([short.status, short.body.missing.underWay]).toEqual([504, [{ name: 'blue', inFlight: 1 }]])
    const again = watched(post(cutover, 'pause', undefined, '?wait=10s'))
    const later = watched(ask(cutover))
    await until(async () => (await held(cutover)) === 1)
    expect([again.settled, later.settled]).toEqual([false, false])
    release()
    expect((await before).body).toBe('blue1')
    expect((await again.promise).body).toMatchObject({ changed: false, drained: ['blue'] })
    expect(underWay).toHaveLength(0)
    await post(cutover, 'resume')
    await until(() => underWay.length === 1)
    release()
    expect((await later.promise).body).toBe('blue1')
  })

  test('a request is held for at most `for`, then answered 504', async () => {
    const { cutover, blue } = await blueGreen()
    await post(cutover, 'pause', { for: '150ms' })
    const { status, body, headers, ms } = await ask(cutover)
    expect([status, body]).toEqual([504, '504 The service is paused, and was not resumed in time.\n'])
    expect(headers.get('proxy-status')).toBe('cutover; error=service_paused')
    expect(ms).toBeGreaterThan(140)
    expect(blue.requests).toHaveLength(0)
    // A longer time counts for those that are held, too, from their begin.
    await post(cutover, 'pause', { for: '10s' })
    const longer = watched(ask(cutover))
    await until(async () => (await held(cutover)) === 1)
    await post(cutover, 'pause', { for: '1ms' })
    expect((await longer.promise).status).toBe(504)
  })

  test('more than maxHeld are answered 503 with Retry-After at once', async () => {
    const { cutover } = await blueGreen()
    await post(cutover, 'pause', { maxHeld: 2 })
    const asked = [ask(cutover), ask(cutover)]
    await until(async () => (await held(cutover)) === 2)
    const { status, body, headers } = await ask(cutover)
    expect([status, body]).toEqual([503, '503 The service is paused, and no more requests can wait.\n'])
    expect(headers.get('retry-after')).toBe('1')
    await post(cutover, 'resume')
    for (const each of asked) expect((await each).status).toBe(200)
  })

  test('proxy.limits.held bounds those of all services together', async () => {
    const [one, two] = [await upstream('one'), await upstream('two')]
    const cutover = await start({
      services: {
        shop: { pools: { main: pool(one) }, health: 'off' },
        other: { pools: { main: pool(two) }, paths: ['/other'], health: 'off' },
      },
      proxy: { limits: { held: 2 } },
    })
    for (const name of ['shop', 'other']) await cutover.api('POST', `/api/services/${name}/pause`)
    const asked = [ask(cutover), ask(cutover, '/other')]
    await until(async () => (await held(cutover)) === 1)
    await until(async () => (await ask(cutover, '/other')).status === 503)
    for (const name of ['shop', 'other']) await cutover.api('POST', `/api/services/${name}/resume`)
    for (const each of asked) expect((await each).status).toBe(200)
  })

  test('a client that leaves is forgotten, and its request is never sent', async () => {
    const { cutover, blue } = await blueGreen()
    await post(cutover, 'pause')
    const connection = await raw(cutover)
    connection.send('GET /left HTTP/1.1\r\nHost: a\r\n\r\n')
    await until(async () => (await held(cutover)) === 1)
    connection.destroy()
    await until(async () => (await held(cutover)) === 0)
    await post(cutover, 'resume', undefined, '?wait=5s')
    expect((await ask(cutover)).status).toBe(200)
    expect(blue.requests.map(({ url }) => url)).toEqual(['/'])
  })

  test('after a switch meanwhile, held requests go to the new pool', async () => {
    const { cutover, blue } = await blueGreen()
    await post(cutover, 'pause', undefined, '?wait=5s')
    const asked = Array.from({ length: 50 }, () => ask(cutover))
    await until(async () => (await held(cutover)) === 50)
    expect((await post(cutover, 'switch', { to: 'green' }, '?wait=5s')).status).toBe(200)
    expect(await held(cutover)).toBe(50)
    await post(cutover, 'resume')
    expect(new Set((await Promise.all(asked)).map(({ body }) => body))).toEqual(new Set(['green1']))
    expect(blue.requests).toHaveLength(0)
  })

  test('a request whose server broke off meanwhile is held for its retry', async () => {
    const { handler, held: underWay } = holding()
    const { cutover } = await blueGreen(handler)
    const asked = ask(cutover)
    await until(() => underWay.length === 1)
    await post(cutover, 'pause')
    await post(cutover, 'switch', { to: 'green' })
    underWay[0]?.socket?.destroy()
    await until(async () => (await held(cutover)) === 1)
    await post(cutover, 'resume')
    expect(await asked).toMatchObject({ status: 200, body: 'green1' })
  })

  test('a queued request is held, and queued again after resume if its servers are full', async () => {
    const { handler, held: underWay, release } = holding()
    const { cutover } = await blueGreen(handler, { connections: { perServer: 1 }, timeouts: { queue: '10s' } })
    const asked = [ask(cutover), ask(cutover)]
    await until(async () => {
      const { body } = await cutover.api('GET', '/metrics')
      return underWay.length === 1 && body.includes('cutover_queued_requests{service="shop"} 1')
    })
    await post(cutover, 'pause')
    await until(async () => (await held(cutover)) === 1)
    await post(cutover, 'resume')
    await until(async () => (await held(cutover)) === 0)
    expect(underWay).toHaveLength(1)
    release()
    await until(() => underWay.length === 1)
    release()
    for (const each of asked) expect((await each).status).toBe(200)
  })

  test('an upgrade is held and goes through after resume', async () => {
    const { cutover, blue } = await blueGreen()
    blue.server.on('upgrade', (_request, socket) =>
      socket.end('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello'),
    )
    await post(cutover, 'pause')
    const connection = await raw(cutover)
    const answer = connection.ask(['GET / HTTP/1.1', 'Host: a', 'Connection: upgrade', 'Upgrade: x'])
    await until(async () => (await held(cutover)) === 1)
    await post(cutover, 'resume')
    expect((await answer).status).toBe(101)
  })

  test('held requests of a service that is removed get 404 or go to the one that has its place', async () => {
    const { cutover } = await blueGreen()
    const other = await upstream('other1')
    await post(cutover, 'pause')
    const asked = ask(cutover)
    await until(async () => (await held(cutover)) === 1)
    await define('other', { pools: { main: pool(other) }, hosts: ['127.0.0.1'] })
    await cutover.api('DELETE', '/api/services/shop?force')
    expect(await asked).toMatchObject({ status: 200, body: 'other1' })
  })
})

describe('stop', () => {
  test('answers every request with the message; those in flight finish, those held are answered', async () => {
    const { handler, held: underWay, release } = holding()
    const { cutover } = await blueGreen(handler)
    const before = ask(cutover)
    await until(() => underWay.length === 1)
    await post(cutover, 'pause')
    const waiting = ask(cutover)
    await until(async () => (await held(cutover)) === 1)
    const stopped = await post(cutover, 'stop', { message: 'Zurück um 14:00 – danke!', retryAfter: '90s' })
    expect(stopped.body).toMatchObject({ changed: true, service: { mode: 'stopped' } })
    for (const answer of [await waiting, await ask(cutover, '/', { method: 'POST', body: 'x' })]) {
      expect([answer.status, answer.body]).toEqual([503, '503 Zurück um 14:00 – danke!\n'])
      expect([answer.headers.get('retry-after'), answer.headers.get('content-type')]).toEqual([
        '90',
        'text/plain; charset=utf-8',
      ])
    }
    release()
    expect((await before).body).toBe('blue1')
    const resumed = await post(cutover, 'resume', undefined, '?wait=5s')
    expect([resumed.status, resumed.body.service.mode]).toEqual([200, 'serving'])
    const after = ask(cutover)
    await Promise.race([after, until(() => underWay.length === 1)])
    release()
    expect((await after).body).toBe('blue1')
  })

  test('takes another status, and no Retry-After', async () => {
    const { cutover } = await blueGreen()
    await post(cutover, 'stop', { status: 410, retryAfter: 0 })
    const { status, body, headers } = await ask(cutover)
    expect([status, body, headers.get('retry-after')]).toEqual([410, '410 The service is stopped.\n', null])
  })
})

test('the mode is in the history with author, reason and settings; the same again changes nothing', async () => {
  const { cutover } = await blueGreen()
  await post(cutover, 'pause', { for: '5s', reason: 'migration 12' })
  expect((await post(cutover, 'pause', { for: '5s' })).body.changed).toBe(false)
  await post(cutover, 'resume')
  expect((await post(cutover, 'resume')).body.changed).toBe(false)
  const { body } = await cutover.api('GET', '/api/services/shop/history?limit=2')
  expect(body.history).toMatchObject([
    { action: 'resume', from: { mode: 'paused' }, to: { mode: 'serving' } },
    { action: 'pause', reason: 'migration 12', from: { mode: 'serving' }, to: { mode: 'paused', forMs: 5_000 } },
  ])
})

test('If-Match and Idempotency-Key hold for these commands; bad input changes nothing', async () => {
  const { cutover } = await blueGreen()
  const { revision } = (await cutover.api('GET', '/api/services/shop')).body
  const stale = await cutover.api('POST', '/api/services/shop/pause', {}, { 'if-match': `"${revision - 1}"` })
  expect(stale.status).toBe(412)
  const key = { 'idempotency-key': `k${revision}` }
  const first = await cutover.api('POST', '/api/services/shop/pause', {}, key)
  await post(cutover, 'resume')
  const second = await cutover.api('POST', '/api/services/shop/pause', {}, key)
  expect([second.status, second.body.revision]).toEqual([200, first.body.revision])
  expect(await mode(cutover)).toBe('serving')
  for (const [verb, body, path] of [
    ['pause', { for: 'long' }, 'for'],
    ['pause', { maxHeld: 0 }, 'maxHeld'],
    ['stop', { status: 200 }, 'status'],
    ['stop', { message: 'a\u0000b' }, 'message'],
    ['resume', { fro: 1 }, 'fro'],
  ] as const) {
    const refused = await post(cutover, verb, body)
    expect([refused.status, refused.body.problems.map((each: { path: string }) => each.path)]).toEqual([422, [path]])
  }
  expect((await cutover.api('POST', '/api/services/shpo/pause')).status).toBe(404)
  expect(await mode(cutover)).toBe('serving')
})

test('a pause survives a restart, a redefinition and a reload', async () => {
  const blue = await upstream('blue1')
  const services = { shop: { pools: { blue: pool(blue) }, health: 'off' } }
  const first = await start({ services })
  await post(first, 'pause', { for: '100ms' })
  await first.api('PATCH', '/api/services/shop', { balance: 'roundRobin' })
  expect(await mode(first)).toBe('paused')
  const second = await start({ services, dataPath: first.dataPath }).catch(async () => {
    first.process.kill('SIGKILL')
    await first.exited
    return start({ services, dataPath: first.dataPath })
  })
  expect(await mode(second)).toBe('paused')
  expect((await ask(second)).status).toBe(504)
  expect((await second.api('GET', '/ready')).status).toBe(200)
  await post(second, 'resume', undefined, '?wait=5s')
  expect((await ask(second)).body).toBe('blue1')
})
