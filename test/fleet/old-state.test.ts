import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Answer, Cutover } from '../support/cutover.ts'
import { Relay } from '../support/relay.ts'
import { until } from '../support/until.ts'
import { Fleet } from './support.ts'

let fleet: Fleet
let relay: Relay
let a: Cutover
/**
 * It does not hear of changes that are made elsewhere: its feed is held back. It asks for them by itself each second.
 */
let b: Cutover
let release: () => void
beforeAll(async () => {
  fleet = await Fleet.empty({ proxy: { workers: 0 } })
  relay = await Relay.start(fleet.redis.port)
  const store = { redis: `redis://127.0.0.1:${relay.port}` }
  ;[a, b] = await Promise.all([fleet.add('a'), fleet.add('b', { store })])
  await fleet.settled()
  const held = relay.holdAnswersTo('xread')
  release = held.release
  await held.caught
})
afterAll(async () => {
  release?.()
  await fleet?.stop()
  await relay?.stop()
})

const SHOP = '/api/services/shop'

async function done(at: Cutover, method: string, path: string, body: object = {}, headers = {}): Promise<Answer> {
  const answer = await at.api(method, path, body, headers)
  expect([answer.status, answer.body.changed], JSON.stringify(answer.body)).toEqual([200, true])
  return answer
}

const splitOf = ({ body }: Answer) => body.service.split

beforeEach(async () => {
  for (const server of ['blue1', 'blue2']) await a.api('POST', `/api/servers/${server}/enable`)
  await a.api('POST', `${SHOP}/switch`, { to: 'green' })
  await a.api('POST', `${SHOP}/switch`, { to: 'blue' })
  const { revision } = (await a.api('GET', SHOP)).body
  await until(async () => (await b.api('GET', SHOP)).body.revision === revision)
})

test('a command that an old state has fulfilled already is carried out on the new one', async () => {
  for (let round = 0; round < 20; round++) {
    await done(a, 'POST', `${SHOP}/switch`, { to: 'green' })
    expect(splitOf(await done(b, 'POST', `${SHOP}/switch`, { to: 'blue' }))).toEqual({ blue: 100, green: 0 })
  }
})

test('a command with nothing left to do is answered as unchanged, with the newest revision', async () => {
  const { body } = await done(a, 'POST', '/api/servers/green2/drain')
  const answer = await b.api('POST', `${SHOP}/switch`, { to: 'blue' })
  expect([answer.status, answer.body.changed, answer.body.revision]).toEqual([200, false, body.revision])
  await done(a, 'POST', '/api/servers/green2/enable')
})

test('If-Match is judged on the newest state', async () => {
  const { body } = await done(a, 'POST', `${SHOP}/shift`, { to: 'green', percent: 10 })
  const current = { 'if-match': `"${body.revision}"` }
  await done(b, 'POST', `${SHOP}/shift`, { to: 'green', percent: 20 }, current)
  const next = (await done(a, 'POST', `${SHOP}/shift`, { to: 'green', percent: 30 })).body.revision
  const { status, body: problem } = await b.api('POST', `${SHOP}/shift`, { to: 'green', percent: 40 }, current)
  expect([status, problem.expected, problem.actual]).toEqual([412, body.revision, next])
})

test('a promise that only the old state would break refuses nothing', async () => {
  await done(a, 'POST', '/api/servers/blue1/drain')
  await until(async () => (await b.api('GET', '/api/servers/blue1')).body.servers[0].state === 'drain')
  await done(a, 'POST', '/api/servers/blue1/enable')
  await done(b, 'POST', '/api/servers/blue2/drain')
  expect((await b.api('POST', '/api/servers/blue1/drain')).status).toBe(409)
})

test('names that an old state does not have are found', async () => {
  await done(a, 'PUT', '/api/services/second', fleet.app.service({ paths: ['/second'], health: 'off' }))
  expect(splitOf(await done(b, 'POST', '/api/services/second/switch'))).toEqual({ blue: 0, green: 100 })
  await done(a, 'DELETE', '/api/services/second?force=true')
  expect((await b.api('POST', '/api/services/second/switch')).status).toBe(404)
  await done(a, 'PUT', `${SHOP}/pools/green/servers/green3`, { url: fleet.app.servers.green1?.url })
  await done(b, 'POST', '/api/servers/green3/drain')
  await done(a, 'DELETE', `${SHOP}/pools/green/servers/green3`)
})

test('commands that depend on the split use the newest split', async () => {
  await done(a, 'POST', `${SHOP}/switch`, { to: 'green' })
  expect(splitOf(await done(b, 'POST', `${SHOP}/switch`))).toEqual({ blue: 100, green: 0 })
  await done(a, 'POST', `${SHOP}/shift`, { to: 'green', percent: 30 })
  expect(splitOf(await done(b, 'POST', `${SHOP}/rollback`))).toEqual({ blue: 100, green: 0 })
})

test('a write that is repeated with its key is answered as made, with what it sent to rest by the newest state', async () => {
  const key = { 'idempotency-key': randomUUID() }
  const first = await done(a, 'POST', `${SHOP}/switch`, {}, key)
  const again = await b.api('POST', `${SHOP}/switch`, {}, key)
  expect([again.status, again.body]).toEqual([200, first.body])
  // The answer is lost, as when the instance that owes it dies; the change has the key.
  await fleet.redis.cli('EVAL', "return redis.call('DEL', unpack(redis.call('KEYS', '*:answer:*')))", '0')
  const anew = await b.api('POST', `${SHOP}/switch`, {}, key)
  expect([anew.status, anew.body.revision, splitOf(anew)]).toEqual([200, first.body.revision, { blue: 0, green: 100 }])
})
