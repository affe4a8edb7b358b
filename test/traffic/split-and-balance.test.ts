import { describe, expect, test } from 'vitest'
import type { Member } from '../../src/proxy/routing/balance/candidates.ts'
import { roundRobin } from '../../src/proxy/routing/balance/round-robin.ts'
import { hashed } from '../../src/proxy/routing/hash.ts'
import { Target } from '../../src/proxy/upstream/target.ts'
import type { Cutover } from '../support/cutover.ts'
import { ask, blueGreen, define, health, pool, serverView, spread, upstream } from './support.ts'

const BOTH = ['blue1', 'green1']

const shift = (cutover: Cutover, body: object) => cutover.api('POST', '/api/services/shop/shift?wait=10s', body)

describe('T9 an invalid split', () => {
  const bad: readonly (readonly [name: string, body: object, path: string])[] = [
    ['weights 0/0', { split: { blue: 0, green: 0 } }, 'split'],
    ['no weights', { split: {} }, 'split'],
    ['negative', { split: { blue: 110, green: -10 } }, 'split.green'],
    ['NaN as a string', { split: { blue: 'NaN', green: 100 } }, 'split.blue'],
    ['a number as a string', { split: { blue: '50', green: 50 } }, 'split.blue'],
    ['null', { split: { blue: null, green: 100 } }, 'split.blue'],
    ['a list', { split: { blue: [100] } }, 'split.blue'],
    ['a list instead of a split', { split: [50, 50] }, 'split'],
    ['a boolean', { split: { blue: true, green: 99 } }, 'split.blue'],
    ['sum above 100', { split: { blue: 60, green: 60 } }, 'split'],
    ['sum just below 100', { split: { blue: 50, green: 49.99 } }, 'split'],
    ['more than two decimals', { split: { blue: 99.999, green: 0.001 } }, 'split.green'],
    ['an unknown pool', { split: { blue: 50, grene: 50 } }, 'split.grene'],
    ['an unknown pool with nothing', { split: { blue: 100, grene: 0 } }, 'split.grene'],
    ['a name that every object has', { split: { blue: 50, constructor: 50 } }, 'split.constructor'],
    ['percent above 100', { to: 'green', percent: 100.01 }, 'percent'],
    ['percent below 0', { to: 'green', percent: -0.01 }, 'percent'],
    ['percent with three decimals', { to: 'green', percent: 0.001 }, 'percent'],
    ['percent NaN as a string', { to: 'green', percent: 'NaN' }, 'percent'],
    ['percent null', { to: 'green', percent: null }, 'percent'],
    ['percent without a pool', { percent: 5 }, 'to'],
    ['a pool without percent', { to: 'green' }, 'percent'],
    ['both ways at once', { to: 'green', percent: 5, split: { blue: 95, green: 5 } }, 'split'],
    ['a misspelt key', { to: 'green', percnt: 5 }, 'percnt'],
  ]

  test('is refused with 422 and its path, whatever is wrong with it; the state is untouched', async () => {
    const { cutover } = await blueGreen()
    await shift(cutover, { to: 'green', percent: 5 })
    const before = await cutover.api('GET', '/api/services/shop')
    for (const [name, body, path] of bad) {
      const answer = await shift(cutover, body)
      expect([answer.status, answer.body.problems?.map((each: { path: string }) => each.path)], name).toEqual([
        422,
        expect.arrayContaining([path]),
      ])
      expect(answer.headers.get('content-type')).toContain('application/problem+json')
    }
    // Neither JSON nor a number; the largest JSON number that is none in any language.
    for (const [text, status] of [
      ['{"to":"green","percent":NaN}', 400],
      ['{"to":"green","percent":1e999}', 422],
    ] as const) {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${cutover.admin}/api/services/shop/shift`, { method: 'POST', headers, body: text })
      expect(response.status, text).toBe(status)
      await response.text()
    }
    expect((await shift(cutover, { to: 'grene', percent: 5 })).status).toBe(404)
    const after = await cutover.api('GET', '/api/services/shop')
    expect([after.body.revision, after.body.split]).toEqual([before.body.revision, { blue: 95, green: 5 }])
    expect(after.headers.get('etag')).toBe(before.headers.get('etag'))
    const { body } = await cutover.api('GET', '/api/services/shop/history')
    expect(body.history[0]).toMatchObject({ action: 'shift', to: { blue: 95, green: 5 } })
  })

  test('every problem is named at once', async () => {
    const { cutover } = await blueGreen()
    const { body } = await shift(cutover, { split: { blue: -1, grene: 'much' } })
    expect(body.problems.map(({ path }: { path: string }) => path)).toEqual([
      'split.blue',
      'split.grene',
      'split.grene',
    ])
  })
})

test('T9 weight 0 gets exactly nothing, 100 exactly all, of pools and of servers', async () => {
  const servers = await Promise.all(['blue1', 'blue2', 'green1'].map((name) => upstream(name)))
  const [blue1, blue2, green1] = servers as [(typeof servers)[0], (typeof servers)[0], (typeof servers)[0]]
  const pools = { blue: pool(blue1, blue2), green: pool(green1) }
  const cutover = await define('shop', { pools, split: { blue: 100, green: 0 } })
  const names = ['blue1', 'blue2', 'green1']
  await cutover.api('PATCH', '/api/servers/blue1?wait=10s', { weight: 0 })
  expect(await spread(cutover, names, 500)).toEqual({ blue2: 500 })
  await shift(cutover, { split: { blue: 0, green: 100 } })
  expect(await spread(cutover, names, 500)).toEqual({ green1: 500 })
  await cutover.api('PATCH', '/api/servers/blue1?wait=10s', { weight: null })
  await shift(cutover, { to: 'green', percent: 0 })
  const both = await spread(cutover, names, 500)
  expect(Object.keys(both).sort()).toEqual(['blue1', 'blue2'])
})

test('T10 weights 5/3/2: exact, exact without the first while it is down, and exact again', async () => {
  const first = await upstream('first')
  const second = await upstream('second')
  const third = await upstream('third')
  const servers = {
    first: { url: first.url, weight: 5 },
    second: { url: second.url, weight: 3 },
    third: { url: third.url, weight: 2 },
  }
  const cutover = await define('shop', { pools: { main: { servers } }, balance: 'roundRobin' })
  const names = ['first', 'second', 'third']
  first.health = 503
  await health(cutover, 'first', 'down')
  expect(await spread(cutover, names, 1_000)).toEqual({ second: 600, third: 400 })
  first.health = 200
  await health(cutover, 'first', 'up')
  expect(await spread(cutover, names, 1_000)).toEqual({ first: 500, second: 300, third: 200 })
})

test('T10 a server that goes down in the middle of a round leaves the others within one request of their shares', async () => {
  const [first, second, third] = await Promise.all(['first', 'second', 'third'].map((name) => upstream(name)))
  const servers = {
    first: { url: first?.url, weight: 5 },
    second: { url: second?.url, weight: 3 },
    third: { url: third?.url, weight: 2 },
  }
  const cutover = await define('shop', { pools: { main: { servers } }, balance: 'roundRobin' })
  const names = ['first', 'second', 'third']
  await spread(cutover, names, 13)
  await cutover.api('POST', '/api/servers/first/disable?wait=10s')
  const { second: toSecond = 0, ...rest } = await spread(cutover, names, 1_000)
  expect(Math.abs(toSecond - 600)).toBeLessThanOrEqual(1)
  expect(rest).toEqual({ third: 1_000 - toSecond })
})

test('T10 the policy: 11:3 is spread as evenly as it can be', () => {
  const sequence = (...weights: number[]): string => {
    const members = weights.map((weight, i) => member(String.fromCharCode(65 + i), weight))
    const round = weights.reduce((a, b) => a + b, 0)
    return Array.from({ length: round }, () => roundRobin.pick(members, null).target.name).join('')
  }
  expect(sequence(11, 3)).toBe('AAABAAAABAAABA')
  expect(sequence(5, 1, 1)).toBe('AAABACA')
  expect(sequence(1, 1, 1)).toBe('ABC')
  expect(sequence(7)).toBe('AAAAAAA')
})

function member(name: string, weight: number): Member {
  const events = { onIdle: () => undefined }
  const settings = { address: { url: 'http://127.0.0.1:9' }, connectMs: 0, keepAliveMs: 0 }
  return {
    target: new Target(name, name, settings, events),
    weight,
    backup: false,
    seed: hashed(name),
    credit: 0,
  }
}

test('T11 5 % of 10,000 requests are 500, and 0.01 % is one', async () => {
  const { cutover } = await blueGreen()
  await shift(cutover, { to: 'green', percent: 5 })
  const { green1 = 0, blue1 = 0 } = await spread(cutover, BOTH, 10_000)
  expect(Math.abs(green1 - 500)).toBeLessThanOrEqual(1)
  expect(green1 + blue1).toBe(10_000)
  expect((await shift(cutover, { split: { blue: 99.99, green: 0.01 } })).body.service.split).toEqual({
    blue: 99.99,
    green: 0.01,
  })
  expect(await spread(cutover, BOTH, 10_000)).toEqual({ blue1: 9_999, green1: 1 })
})

test('T11 three pools, shares with decimals: every one exact', async () => {
  const [a, b, c] = await Promise.all([upstream('a1'), upstream('b1'), upstream('c1')])
  const pools = { a: pool(a), b: pool(b), c: pool(c) }
  const cutover = await define('shop', { pools, split: { a: 87.5, b: 12.25, c: 0.25 } })
  expect(await spread(cutover, ['a1', 'b1', 'c1'], 2_000)).toEqual({ a1: 1_750, b1: 245, c1: 5 })
})

test('T11 shares stay exact over changes that do not concern them', async () => {
  const other = await upstream('other1')
  await define('other', { pools: { main: pool(other) }, hosts: ['other.test'] })
  const { cutover } = await blueGreen()
  await shift(cutover, { to: 'green', percent: 5 })
  const total = { blue1: 0, green1: 0 }
  for (let i = 0; i < 20; i++) {
    const { blue1 = 0, green1 = 0 } = await spread(cutover, BOTH, 30)
    total.blue1 += blue1
    total.green1 += green1
    // Every change of state is a new table.
    await cutover.api('PATCH', '/api/servers/other1?wait=10s', { weight: i + 2 })
  }
  expect(total).toEqual({ blue1: 570, green1: 30 })
})

test('servers in turn go on in turn over changes that do not concern them', async () => {
  const other = await upstream('other1')
  await define('other', { pools: { main: pool(other) }, hosts: ['other.test'] })
  const servers = await Promise.all(['blue1', 'blue2', 'blue3'].map((name) => upstream(name)))
  const cutover = await define('shop', { pools: { blue: pool(...servers) }, balance: 'roundRobin' })
  const answers: string[] = []
  for (let i = 0; i < 9; i++) {
    answers.push((await ask(cutover)).body)
    await cutover.api('PATCH', '/api/servers/other1?wait=10s', { weight: i + 2 })
  }
  expect(answers.sort()).toEqual(['blue1', 'blue2', 'blue3'].flatMap((name) => [name, name, name]))
})

test('a pool without a server that could answer loses no request: the other pools of the split take them', async () => {
  const { cutover, blue } = await blueGreen(undefined, { split: { blue: 90, green: 10 } })
  blue.health = 503
  await health(cutover, 'blue1', 'down')
  expect(await spread(cutover, BOTH, 200)).toEqual({ green1: 200 })
  blue.health = 200
  await health(cutover, 'blue1', 'up')
  expect(await spread(cutover, BOTH, 200)).toEqual({ blue1: 180, green1: 20 })
  expect((await serverView(cutover, 'blue1')).state).toBe('ready')
})
