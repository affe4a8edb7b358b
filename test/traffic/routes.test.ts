import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { ask, blueGreen, health, holding } from './support.ts'

const beta = (match: object, more: object = {}): object => ({ routes: [{ name: 'beta', match, to: 'green', ...more }] })

const answer = async (cutover: Cutover, path = '/', init: RequestInit = {}) => (await ask(cutover, path, init)).body

/** The number of requests that the route beta has decided so far, in the instance that these tests share. */
async function routed(cutover: Cutover): Promise<number> {
  const { body } = await cutover.api('GET', '/metrics')
  return Number(/^cutover_routed_requests_total\{service="shop",route="beta"\} (\d+)$/m.exec(body)?.[1] ?? 0)
}

describe('a route decides before the split', () => {
  const headers = (fields: Record<string, string>): RequestInit => ({ headers: fields })
  test.for<[string, object, [string, RequestInit?][], [string, RequestInit?][]]>([
    [
      'header',
      { header: { 'X-Beta': '1' } },
      [['/', headers({ 'x-beta': '1' })]],
      [['/'], ['/', headers({ 'x-beta': '11' })]],
    ],
    ['header that is there', { header: { 'x-beta': { present: true } } }, [['/', headers({ 'x-beta': '' })]], [['/']]],
    [
      'header that is not there',
      { header: { 'x-old': { present: false } } },
      [['/']],
      [['/', headers({ 'x-old': '1' })]],
    ],
    [
      'parts of a value',
      { header: { 'x-v': { prefix: 'v1.', suffix: '-rc', contains: '9' } } },
      [['/', headers({ 'x-v': 'v1.29-rc' })]],
      [
        ['/', headers({ 'x-v': 'v1.2-rc' })],
        ['/', headers({ 'x-v': 'v2.29-rc' })],
        ['/', headers({ 'x-v': 'v1.29' })],
      ],
    ],
    [
      'cookie',
      { cookie: { beta: 'yes' } },
      [
        ['/', headers({ cookie: 'a=b; beta=yes' })],
        ['/', headers({ cookie: 'beta=yes;c=d' })],
      ],
      [
        ['/', headers({ cookie: 'xbeta=yes' })],
        ['/', headers({ cookie: 'beta=yes2' })],
        ['/', headers({ cookie: 'beta' })],
      ],
    ],
    [
      'method',
      { method: ['post', 'PUT'] },
      [['/', { method: 'POST', body: 'x' }]],
      [['/'], ['/', { method: 'DELETE' }]],
    ],
    ['exact path', { path: '/new' }, [['/new'], ['/new?a=b']], [['/new/'], ['/news'], ['/new/x']]],
    ['path prefix', { path: { prefix: '/new' } }, [['/new'], ['/new/x'], ['/new?a']], [['/news'], ['/x/new']]],
    ['query', { query: { v: 'a b' } }, [['/?v=a%20b'], ['/?x&v=a+b']], [['/?v=a'], ['/?w=a+b'], ['/v=a+b']]],
    ['address', { ip: ['127.0.0.0/8'] }, [['/']], []],
    ['another address', { ip: '10.0.0.0/8' }, [], [['/']]],
    [
      'not',
      { path: { prefix: '/' }, not: { method: 'GET', path: '/a' } },
      [['/b'], ['/a', { method: 'POST' }]],
      [['/a']],
    ],
  ])('%s', async ([, match, fitting, others]) => {
    const { cutover } = await blueGreen(undefined, beta(match))
    for (const [path, init] of fitting) expect(await answer(cutover, path, init), path).toBe('green1')
    for (const [path, init] of others) expect(await answer(cutover, path, init), path).toBe('blue1')
  })

  test('the first that fits', async () => {
    const { cutover } = await blueGreen(undefined, {
      routes: [
        { name: 'old', match: { header: { 'x-old': '1' } }, to: 'blue' },
        { name: 'all', match: { path: { prefix: '/' } }, to: 'green' },
      ],
    })
    expect(await answer(cutover)).toBe('green1')
    expect(await answer(cutover, '/', headers({ 'x-old': '1' }))).toBe('blue1')
    const { body } = await cutover.api('GET', '/metrics')
    expect(body).toMatch(/^cutover_routed_requests_total\{service="shop",route="all"\} 1$/m)
    expect(body).toMatch(/^cutover_routed_requests_total\{service="shop",route="old"\} 1$/m)
  })
})

test('T11 routed requests do not count towards the split', async () => {
  const { cutover } = await blueGreen(undefined, { ...beta({ path: '/beta' }), split: { blue: 90, green: 10 } })
  const counts: Record<string, number> = {}
  for (let i = 0; i < 200; i++) {
    for (let n = 0; n <= i % 3; n++) expect(await answer(cutover, '/beta')).toBe('green1')
    const name = await answer(cutover)
    counts[name] = (counts[name] ?? 0) + 1
  }
  expect(counts).toEqual({ blue1: 180, green1: 20 })
})

test.for([
  ['split', 200, 'blue1', 1],
  ['fail', 503, '503 No server is available.\n', 2],
] as const)('onUnavailable: %s', async ([onUnavailable, status, body, decided]) => {
  const { cutover, green } = await blueGreen(undefined, beta({ path: '/beta' }, { onUnavailable }))
  const before = await routed(cutover)
  expect(await answer(cutover, '/beta')).toBe('green1')
  green.health = 503
  await health(cutover, 'green1', 'down')
  expect(await ask(cutover, '/beta')).toMatchObject({ status, body })
  // What the split has decided instead is not the route's.
  expect((await routed(cutover)) - before).toBe(decided)
})

test('a pool to which a route sends requests is not drained, and a switch away from it does not wait for it', async () => {
  const { handler, held, release } = holding()
  const { cutover } = await blueGreen(handler, { routes: [{ name: 'old', match: { path: '/old' }, to: 'blue' }] })
  const old = ask(cutover, '/old')
  await until(() => held.length === 1)
  const { status, body } = await cutover.api('POST', '/api/services/shop/switch?wait=5s', { to: 'green' })
  expect([status, body.drained]).toEqual([200, undefined])
  expect(body.service.pools).toMatchObject([
    { name: 'blue', share: 0, drained: false },
    { name: 'green', share: 100, drained: false },
  ])
  release()
  expect((await old).body).toBe('blue1')
  expect((await cutover.api('GET', '/api/services/shop')).body.pools[0]).toMatchObject({ drained: false, inFlight: 0 })
  const unrouted = await cutover.api('PATCH', '/api/services/shop?wait=5s', { routes: null })
  expect(unrouted.body.service.pools[0]).toMatchObject({ share: 0, drained: true })
})

test('a pool to which a route sends requests cannot be removed', async () => {
  const { cutover } = await blueGreen(undefined, beta({ path: '/beta' }))
  const { status, body } = await cutover.api('DELETE', '/api/services/shop/pools/green')
  expect([status, body.problems[0].path]).toEqual([422, 'routes[0].to'])
})
