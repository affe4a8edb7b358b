import { describe, expect, test } from 'vitest'
import { problem, send, useShop } from './support.ts'

const shop = useShop()
const SWITCH = '/api/services/shop/switch'

const post = (path: string, body: string) =>
  send(shop.cutover.admin, { method: 'POST', path, headers: { 'content-type': 'application/json' }, body })
const put = (path: string, body: string) =>
  send(shop.cutover.admin, { method: 'PUT', path, headers: { 'content-type': 'application/json' }, body })

describe('a deeply nested body', () => {
  const lists = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  const objects = (depth: number) => '{"a":'.repeat(depth) + 1 + '}'.repeat(depth)

  test.each([
    ['lists', lists(100_000)],
    ['lists in a member', `{"to":${lists(300_000)}}`],
    ['objects', objects(100_000)],
    ['a level more than is allowed', objects(65)],
  ])('is refused as malformed: %s', async (_what, body) => {
    for (const answer of [await post(SWITCH, body), await put('/api/services/shop', body)]) {
      const { detail } = problem(answer, 400, 'Malformed JSON')
      expect(detail).toBe('The body is nested more than 64 levels deep.')
    }
    expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
  })

  test('is read up to the max depth', async () => {
    problem(await post(SWITCH, objects(64)), 422, 'Invalid value')
  })

  test('is refused with an Idempotency-Key as well', async () => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': 'deep' }
    const answer = await send(shop.cutover.admin, { method: 'POST', path: SWITCH, headers, body: objects(5_000) })
    problem(answer, 400, 'Malformed JSON')
  })
})

describe('an answer with problems', () => {
  test('names the first fifty, and the number of others', async () => {
    const keys = Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`unknown${i}`, i]))
    const answer = await put('/api/services/shop', JSON.stringify(shop.definition(keys)))
    const { problems, moreProblems, detail } = problem(answer, 422, 'Invalid value')
    expect([problems.length, moreProblems]).toEqual([50, 49_950])
    expect(problems[0].path).toBe('unknown0')
    expect(detail).toMatch(/; and 49950 more$/)
    expect(JSON.stringify(answer.body).length).toBeLessThan(100_000)
  })

  test('has no number if none is left out', async () => {
    const { problems, moreProblems } = problem(await post(SWITCH, '{"forse":true,"x":1}'), 422, 'Invalid value')
    expect([problems.length, moreProblems]).toEqual([2, undefined])
  })

  test('is limited for a split over unknown pools', async () => {
    const split = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`pool${i}`, 1]))
    const answer = await post('/api/services/shop/shift', JSON.stringify({ split }))
    expect(problem(answer, 422, 'Invalid value').moreProblems).toBe(19_950)
    expect(JSON.stringify(answer.body).length).toBeLessThan(100_000)
  })

  test('is limited for a file that is reloaded, and so is the log', async () => {
    const keys = Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`unknown${i}`, i]))
    await shop.cutover.configure({ services: { shop: shop.definition(keys) } })
    const before = shop.cutover.stderr.length
    const { problems, moreProblems } = problem(await post('/api/config/reload', ''), 422, 'Invalid configuration')
    expect([problems.length, moreProblems]).toEqual([50, 4_950])
    expect(shop.cutover.stderr.length - before).toBeLessThan(50_000)
    await shop.cutover.configure({ services: {} })
  })

  const long = 'x'.repeat(500_000)
  test.each([
    ['a name that does not exist', 'POST', SWITCH, { to: long }, 404],
    ['a key', 'POST', SWITCH, { [long]: 1 }, 422],
    ['a value', 'PATCH', '/api/services/shop', { balance: long }, 422],
    ['a reason', 'POST', SWITCH, { reason: long }, 422],
    ['a percentage', 'POST', '/api/services/shop/shift', { split: { blue: long } }, 422],
    ['a name of a pool', 'POST', '/api/services/shop/shift', { split: { [long]: 1 } }, 422],
  ])('does not repeat all of %s', async (_what, method, path, body, status) => {
    const answer = await shop.api(method, path, body)
    expect(answer.status).toBe(status)
    expect(JSON.stringify(answer.body).length).toBeLessThan(5_000)
  })

  test.each([
    ['the path', { path: `/${'x'.repeat(8_000)}` }],
    ['the type', { method: 'POST', path: SWITCH, headers: { 'content-type': 'x'.repeat(8_000) }, body: 'x' }],
    ['the Host', { path: '/api/services', headers: { host: `${'x.'.repeat(4_000)}x` } }],
    ['the Origin', { path: '/api/services', headers: { origin: `http://${'x'.repeat(8_000)}` } }],
    ['If-Match', { method: 'POST', path: SWITCH, headers: { 'if-match': 'x'.repeat(8_000) } }],
  ])('does not repeat all of %s', async (_what, request) => {
    const { status, body } = await send(shop.cutover.admin, request)
    expect(status).toBeGreaterThanOrEqual(400)
    expect(JSON.stringify(body).length).toBeLessThan(1_000)
  })

  test('lists the first fifty known names for an unknown one', async () => {
    const servers = Object.fromEntries(
      Array.from({ length: 60 }, (_, i) => [`s${i}`, `http://127.0.0.1:${10_000 + i}`]),
    )
    await shop.done('PUT', '/api/services/shop/pools/spare', { servers })
    const { known, moreKnown } = problem(
      await shop.api('DELETE', '/api/services/shop/pools/spare/servers/nobody'),
      404,
      'Unknown server',
    )
    expect([known.length, moreKnown]).toEqual([50, 10])
  })
})
