import { describe, expect, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { ask, blueGreen, define, health, pool, start, upstream } from './support.ts'

const shift = (cutover: Cutover, split: object) => cutover.api('POST', '/api/services/shop/shift?wait=10s', { split })
const HALVES = { blue: 50, green: 50 }

const cookies = (headers: Headers): string[] => headers.getSetCookie()
const askAs = async (cutover: Cutover, headers: Record<string, string>) => (await ask(cutover, '/', { headers })).body

describe('splitBy: cookie', () => {
  test('issues an id that says nothing of the pool; the request that gets it is decided by it already', async () => {
    const { cutover } = await blueGreen(undefined, { splitBy: 'cookie', split: HALVES })
    for (let i = 0; i < 20; i++) {
      const first = await ask(cutover)
      const [cookie = '', ...others] = cookies(first.headers)
      expect(others).toEqual([])
      expect(cookie).toMatch(/^cutover_id=[\w-]{22}; Path=\/; Max-Age=34560000; HttpOnly; SameSite=Lax$/)
      const [sent = ''] = cookie.split(';')
      const again = await ask(cutover, '/', { headers: { cookie: `a=b; ${sent}; c=d` } })
      expect([again.body, cookies(again.headers)]).toEqual([first.body, []])
    }
  })

  test('a client that came by https to a trusted proxy gets a Secure cookie', async () => {
    const blue = await upstream('blue1')
    const cutover = await start({
      services: { shop: { pools: { blue: pool(blue) }, health: 'off', splitBy: 'cookie' } },
      proxy: { trustedProxies: ['127.0.0.0/8'] },
    })
    const [secure = ''] = cookies((await ask(cutover, '/', { headers: { 'x-forwarded-proto': 'https' } })).headers)
    expect(secure).toMatch(/; SameSite=Lax; Secure$/)
    expect(cookies((await ask(cutover)).headers)[0]).toMatch(/; SameSite=Lax$/)
  })

  test('the cookies of the app stay', async () => {
    const { cutover } = await blueGreen(
      (_request, response) => response.setHeader('set-cookie', 'app=1').end('blue1'),
      {
        splitBy: 'cookie',
      },
    )
    expect(cookies((await ask(cutover)).headers)).toEqual(['app=1', expect.stringMatching(/^cutover_id=/)])
  })
})

test.for<[string, (i: number) => Record<string, string>]>([
  ['header:X-User', (i) => ({ 'x-user': `user-${i}` })],
  ['cookie:session', (i) => ({ cookie: `other=1; session=s${i}` })],
  ['cookie', (i) => ({ cookie: `cutover_id=id${i}` })],
])(
  'splitBy: %s keeps clients in their pool, and only moves them into the one that grows',
  async ([splitBy, headers]) => {
    const { cutover } = await blueGreen(undefined, { splitBy, split: { blue: 90, green: 10 } })
    const clients = Array.from({ length: 200 }, (_, i) => headers(i))
    const round = () => Promise.all(clients.map((each) => askAs(cutover, each)))
    const greenOf = (answers: readonly string[]) =>
      new Set(answers.flatMap((answer, i) => (answer === 'green1' ? [i] : [])))
    const small = greenOf(await round())
    expect(greenOf(await round())).toEqual(small)
    await shift(cutover, { blue: 60, green: 40 })
    const large = greenOf(await round())
    expect(small.isSubsetOf(large)).toBe(true)
    expect(large.size).toBeGreaterThan(50)
    expect(large.size).toBeLessThan(110)
    await shift(cutover, { blue: 90, green: 10 })
    expect(greenOf(await round())).toEqual(small)
    const { body } = await cutover.api('GET', '/metrics')
    expect(body).toMatch(/^cutover_cohort_requests_total\{service="shop",key="given"\} \d{3,}$/m)
  },
)

test('splitBy: ip decides by the address that a trusted proxy names', async () => {
  const [blue, green] = [await upstream('blue1'), await upstream('green1')]
  const pools = { blue: pool(blue), green: pool(green) }
  const cutover = await start({
    services: { shop: { pools, split: HALVES, health: 'off', splitBy: 'ip' } },
    proxy: { trustedProxies: ['127.0.0.0/8'] },
  })
  const from = (i: number) => askAs(cutover, { 'x-forwarded-for': `203.0.113.${i}` })
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => from(i)))
  expect(new Set(answers)).toEqual(new Set(['blue1', 'green1']))
  expect(await Promise.all(Array.from({ length: 100 }, (_, i) => from(i)))).toEqual(answers)
})

test('T11 requests without a key are split exactly, whatever the others do', async () => {
  const { cutover } = await blueGreen(undefined, { splitBy: 'header:x-user', split: { blue: 95, green: 5 } })
  const counts: Record<string, number> = {}
  for (let i = 0; i < 400; i++) {
    const [answer] = await Promise.all([ask(cutover), ask(cutover, '/', { headers: { 'x-user': `user-${i}` } })])
    counts[answer.body] = (counts[answer.body] ?? 0) + 1
  }
  expect(counts).toEqual({ blue1: 380, green1: 20 })
})

test('while the pool of a client has no server up, another one serves the client; then its own again', async () => {
  const { cutover, green } = await blueGreen(undefined, { splitBy: 'header:x-user', split: HALVES })
  const names = Array.from({ length: 40 }, (_, i) => ({ 'x-user': `user-${i}` }))
  const round = () => Promise.all(names.map((each) => askAs(cutover, each)))
  const before = await round()
  expect(before).toContain('green1')
  green.health = 503
  await health(cutover, 'green1', 'down')
  expect(new Set(await round())).toEqual(new Set(['blue1']))
  green.health = 200
  await health(cutover, 'green1', 'up')
  expect(await round()).toEqual(before)
})

test('a service with one pool issues ids as well, so that clients have theirs when a split begins', async () => {
  const blue = await upstream('blue1')
  const cutover = await define('shop', { pools: { blue: pool(blue) }, splitBy: 'cookie' })
  expect(cookies((await ask(cutover)).headers)).toHaveLength(1)
})
