import { describe, expect, test } from 'vitest'
import { problem, useShop } from './support.ts'

const shop = useShop()

const SWITCH = '/api/services/shop/switch'
let used = 0
/** A key that nobody has used. */
const key = () => ({ 'idempotency-key': `deploy-${++used}` })

describe('a POST repeated with the same Idempotency-Key', () => {
  test('is answered as the first one was, and carried out once: a switch does not switch back', async () => {
    const headers = key()
    const first = await shop.api('POST', SWITCH, undefined, headers)
    const again = await shop.api('POST', SWITCH, undefined, headers)
    expect(first.status).toBe(200)
    expect([again.status, again.body]).toEqual([first.status, first.body])
    expect(again.headers.get('etag')).toBe(first.headers.get('etag'))
    expect(again.headers.get('content-type')).toBe(first.headers.get('content-type'))
    expect([first, again].map(({ headers }) => headers.get('idempotency-replayed'))).toEqual([null, 'true'])
    expect((await shop.view()).split).toEqual({ blue: 0, green: 100 })
  })

  test('ten at once are carried out once', async () => {
    const headers = key()
    const before = await shop.revision()
    const answers = await Promise.all(Array.from({ length: 10 }, () => shop.api('POST', SWITCH, {}, headers)))
    expect(answers.map(({ body }) => body.revision)).toEqual(Array(10).fill(before + 1))
    expect(await shop.revision()).toBe(before + 1)
  })

  test('with another content is refused; another time to wait makes no difference', async () => {
    const headers = key()
    await shop.done('POST', SWITCH, { to: 'green' }, headers)
    const other = await shop.api('POST', SWITCH, { to: 'blue' }, headers)
    expect(problem(other, 422, 'Invalid value').detail).toContain('Idempotency-Key: was used for another request')
    expect((await shop.api('POST', `${SWITCH}?wait=5s`, { to: 'green' }, headers)).status).toBe(200)
    expect((await shop.view()).split).toEqual({ blue: 0, green: 100 })
  })

  test('succeeds after a refusal whose cause is gone, since the first one changed nothing', async () => {
    const [unknown, unsafe] = [key(), key()]
    expect((await shop.api('POST', SWITCH, { to: 'purple' }, unknown)).status).toBe(404)
    const pool = { servers: { purple1: 'http://127.0.0.1:9' } }
    await shop.done('PUT', '/api/services/shop/pools/purple', pool)
    expect((await shop.api('POST', SWITCH, { to: 'purple' }, unknown)).status).toBe(409)
    await shop.done('PATCH', '/api/services/shop', { pools: { purple: null } })

    await shop.done('POST', '/api/servers/green1/drain', {})
    await shop.done('POST', '/api/servers/green2/drain', {})
    expect((await shop.api('POST', SWITCH, { to: 'green' }, unsafe)).status).toBe(409)
    await shop.done('POST', '/api/servers/green1/enable', {})
    const switched = await shop.api('POST', SWITCH, { to: 'green' }, unsafe)
    expect([switched.status, switched.body.changed]).toEqual([200, true])
    expect((await shop.api('POST', SWITCH, { to: 'green' }, unsafe)).body).toEqual(switched.body)
  })

  test('gets the same answer if there was nothing to change', async () => {
    const unchanged = key()
    const nothing = await shop.api('POST', SWITCH, { to: 'blue' }, unchanged)
    expect(nothing.body.changed).toBe(false)
    await shop.done('POST', SWITCH, { to: 'green' })
    expect((await shop.api('POST', SWITCH, { to: 'blue' }, unchanged)).body).toEqual(nothing.body)
    expect((await shop.view()).split).toEqual({ blue: 0, green: 100 })
  })

  test('on another path is another request', async () => {
    const headers = key()
    await shop.done('POST', SWITCH, { to: 'green' }, headers)
    const drained = await shop.done('POST', '/api/servers/blue1/drain', {}, headers)
    expect(drained.changed).toBe(true)
  })
})

test.each(['', 'with blank', 'x'.repeat(256)])('the Idempotency-Key %j is refused', async (given) => {
  const answer = await shop.api('POST', SWITCH, {}, { 'idempotency-key': given })
  problem(answer, 400, 'Malformed Idempotency-Key')
  expect((await shop.view()).split).toEqual({ blue: 100, green: 0 })
})

test('methods other than POST can be repeated without Idempotency-Key, and refuse one', async () => {
  problem(await shop.api('PATCH', '/api/servers/blue1', { weight: 2 }, key()), 400, 'Not for this method')
})
