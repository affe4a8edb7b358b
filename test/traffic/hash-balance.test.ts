import { expect, test } from 'vitest'
import { until } from '../support/until.ts'
import { ask, define, holding, pool, upstream } from './support.ts'

const servers = (count: number) => Promise.all(Array.from({ length: count }, (_, i) => upstream(`s${i}`)))
const KEYS = Array.from({ length: 600 }, (_, i) => `key-${i}`)

test('one of ten servers less moves only its own keys, and back again', async () => {
  const all = await servers(10)
  const cutover = await define('shop', { pools: { main: pool(...all) }, balance: 'hash:header:X-Key' })
  // One after the other: while they are few, no server has more than its bound.
  const inTurn = async () => {
    const answers: string[] = []
    for (const key of KEYS) answers.push((await ask(cutover, '/', { headers: { 'x-key': key } })).body)
    return answers
  }
  const before = await inTurn()
  expect(new Set(before).size).toBe(10)
  await cutover.api('POST', '/api/servers/s3/disable?wait=10s')
  const without = await inTurn()
  const moved = KEYS.filter((_, i) => before[i] !== without[i])
  expect(moved).toEqual(KEYS.filter((_, i) => before[i] === 's3'))
  expect(moved.length / KEYS.length).toBeLessThan(0.15)
  await cutover.api('POST', '/api/servers/s3/enable?wait=10s')
  expect(await inTurn()).toEqual(before)
})

test('no server has more than 1.25 times the mean of the requests in flight, however skewed the keys', async () => {
  const { handler, held, release } = holding()
  const all = await Promise.all(Array.from({ length: 4 }, (_, i) => upstream(`s${i}`, handler)))
  const cutover = await define('shop', { pools: { main: pool(...all) }, balance: 'hash:path' })
  const paths = Array.from({ length: 80 }, (_, i) => (i % 4 === 0 ? `/other-${i}` : '/popular?v=1'))
  const asked = paths.map((path) => ask(cutover, path))
  await until(() => held.length === paths.length)
  for (const server of all) expect(server.requests.length).toBeLessThanOrEqual(25)
  release()
  for (const { status } of await Promise.all(asked)) expect(status).toBe(200)
  const { body } = await cutover.api('GET', '/metrics')
  expect(body).toMatch(/^cutover_hash_spilled_total\{service="shop"\} [1-9]\d*$/m)
})

test('requests without a key are balanced like leastRequest', async () => {
  const all = await servers(2)
  const cutover = await define('shop', { pools: { main: pool(...all) }, balance: 'hash:cookie:cart' })
  const from = async (headers: Record<string, string>) => {
    const answers: string[] = []
    for (let i = 0; i < 40; i++) answers.push((await ask(cutover, '/', { headers })).body)
    return new Set(answers)
  }
  expect((await from({})).size).toBe(2)
  expect((await from({ cookie: 'cart=42' })).size).toBe(1)
})
