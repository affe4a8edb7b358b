import { describe, expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { problem, type ServerName, useShop } from './support.ts'

const shop = useShop()

/** A request that stays under way until `shop.held.release()`; the name of the server it is at. */
async function hold(init: RequestInit = {}): Promise<{ server: ServerName; answer: Promise<string> }> {
  const names = ['blue1', 'blue2', 'green1', 'green2'] as const
  const count = (name: ServerName) => shop.server(name).requests.filter(({ url }) => url === '/hold').length
  const before = names.map(count)
  const answer = shop.ask('/hold', init)
  const at = await until(() => names.findIndex((name, i) => count(name) > (before[i] ?? 0)) + 1)
  return { server: names[at - 1] ?? 'blue1', answer }
}

describe('?wait=', () => {
  test('answers when the requests in flight have ended, and not before', async () => {
    const { server, answer } = await hold()
    let isAnswered = false
    const disabled = shop.api('POST', `/api/servers/${server}/disable?wait=20s`).then((each) => {
      isAnswered = true
      return each
    })
    await until(async () => (await shop.done('GET', `/api/servers/${server}`)).servers[0].state === 'drain')
    const [before] = (await shop.done('GET', `/api/servers/${server}`)).servers
    expect([before.drained, before.inFlight, isAnswered]).toEqual([false, 1, false])
    shop.held.release()
    const { status, body } = await disabled
    expect(await answer).toBe(server)
    expect([status, body.drained, body.cut]).toEqual([200, [server], 0])
    expect(body.servers).toMatchObject([{ name: server, drained: true, inFlight: 0 }])
  })

  test('after its time names what is missing; the change stands, and another call may continue to wait', async () => {
    const { server, answer } = await hold()
    const revision = await shop.revision()
    const late = await shop.api('POST', `/api/servers/${server}/disable?wait=500ms`)
    const body = problem(late, 504, 'Not yet everywhere')
    expect(body).toMatchObject({
      revision: revision + 1,
      changed: true,
      missing: { lagging: [], underWay: [{ name: server, inFlight: 1 }] },
      detail:
        `The change stands (revision ${revision + 1}), but after 500 ms: ${server} has 1 request in flight. ` +
        'Repeat the call with ?wait= to wait longer.',
    })
    expect(late.headers.get('etag')).toBe(`"${revision + 1}"`)
    expect((await shop.done('GET', `/api/servers/${server}`)).servers[0].state).toBe('drain')

    const again = problem(
      await shop.api('POST', `/api/servers/${server}/disable?wait=500ms`),
      504,
      'Not yet everywhere',
    )
    expect(again).toMatchObject({ revision: revision + 1, changed: false })
    expect(again.detail).toContain(`Nothing was left to change (revision ${revision + 1})`)

    const waited = shop.done('POST', `/api/servers/${server}/drain?wait=20s`)
    shop.held.release()
    expect(await waited).toMatchObject({ changed: false, drained: [server], revision: revision + 1 })
    expect(await answer).toBe(server)
  })

  test('of a switch waits for the whole old pool, and reports its remaining requests', async () => {
    const holds = [await hold(), await hold(), await hold()]
    const body = problem(
      await shop.api('POST', '/api/services/shop/switch?wait=500ms', { to: 'green' }),
      504,
      'Not yet everywhere',
    )
    expect(body.missing.underWay).toEqual([{ name: 'blue', inFlight: 3 }])
    expect(body.detail).toContain('blue has 3 requests in flight')
    await shop.answeredBy('green1', 'green2')
    const waited = shop.done('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })
    shop.held.release()
    expect(await waited).toMatchObject({ changed: false, drained: ['blue'] })
    for (const { server, answer } of holds) expect(await answer).toBe(server)
  })

  test('counts requests cut at a deadline', async () => {
    const { answer } = await hold()
    const body = await shop.done('POST', '/api/services/shop/switch?wait=20s', { to: 'green', drain: '50ms' })
    expect(body).toMatchObject({ drained: ['blue'], cut: 1 })
    expect(await answer).toBe('504')
  })

  test('never reports as drained what a later change made take requests again', async () => {
    const { server, answer } = await hold()
    const revision = await shop.revision()
    const waited = shop.api('POST', `/api/servers/${server}/disable?wait=20s`)
    await until(async () => (await shop.done('GET', `/api/servers/${server}`)).servers[0].state === 'drain')
    await shop.done('POST', `/api/servers/${server}/enable`)
    expect(problem(await waited, 409, 'Overtaken by a later change')).toMatchObject({
      revision: revision + 1,
      reopened: [server],
      detail: `Revision ${revision + 1} drained ${server}, but a later one made it take requests again; see the history.`,
    })

    const switched = shop.api('POST', '/api/services/shop/switch?wait=20s', { to: 'green' })
    await until(async () => (await shop.view()).split.green === 100)
    await shop.done('POST', '/api/services/shop/shift', { to: 'blue', percent: 1 })
    expect(problem(await switched, 409, 'Overtaken by a later change').reopened).toEqual(['blue'])
    shop.held.release()
    expect(await answer).toBe(server)
  })

  test('continues through unrelated changes, and through a second drain', async () => {
    const { server, answer } = await hold()
    let isAnswered = false
    const disabled = shop.done('POST', `/api/servers/${server}/disable?wait=20s`).then((body) => {
      isAnswered = true
      return body
    })
    await until(async () => (await shop.done('GET', `/api/servers/${server}`)).servers[0].state === 'drain')
    await shop.done('PATCH', '/api/servers/green1?wait=20s', { weight: 3 })
    await shop.done('PATCH', `/api/servers/${server}`, { state: 'maint' })
    await shop.done('PATCH', '/api/servers/green1?wait=20s', { weight: 4 })
    expect(isAnswered).toBe(false)
    shop.held.release()
    expect((await disabled).drained).toEqual([server])
    expect(await answer).toBe(server)
  })

  test('of a change that drains nothing answers when it is in force', async () => {
    const body = await shop.done('POST', '/api/services/shop/shift?wait=20s', { to: 'green', percent: 100 / 2 })
    expect(body).toMatchObject({ changed: true })
    expect(body.drained).toBeUndefined()
    await shop.answeredBy('blue1', 'blue2', 'green1', 'green2')
  })

  test('of an idle server answers at once', async () => {
    const startedAt = performance.now()
    expect(await shop.done('POST', '/api/servers/green1/disable?wait=20s')).toMatchObject({ drained: ['green1'] })
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })
})

test('without wait the answer comes at once, with what is drained by then', async () => {
  const { server, answer } = await hold()
  const body = await shop.done('POST', `/api/servers/${server}/disable`)
  expect(body).toMatchObject({ changed: true, drained: [], servers: [{ drained: false, inFlight: 1 }] })
  shop.held.release()
  expect(await answer).toBe(server)
  await until(async () => (await shop.done('GET', `/api/servers/${server}`)).servers[0].drained)
})
