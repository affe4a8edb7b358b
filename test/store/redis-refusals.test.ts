import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { applyChange, EMPTY_DOCUMENTS } from '../../src/model/state.ts'
import { OutcomeUnknown } from '../../src/store/store.ts'
import { RedisServer } from '../support/redis.ts'
import { changeFor } from './changes.ts'
import { ACL } from './redis-acl.ts'
import { endAll, endWithAll, next, open, storeOn, when } from './redis-support.ts'

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

async function msOf(work: Promise<unknown>): Promise<number> {
  const since = performance.now()
  await work
  return performance.now() - since
}

test('a change in a newer format is not applied from the feed', async () => {
  const a = await open(redis.url)
  await next(a.store)
  const { head } = a.store.documents()
  const change = JSON.stringify({ ...changeFor(2, 'shop'), unheardOf: true })
  // As a newer one would write it: at one moment.
  const script = `
    redis.call('HSET', '{test}:meta', 'format', '2', 'head', 'x.2.y', 'revision', '2')
    redis.call('XADD', '{test}:changes', '*', 'format', '2', 'base', ARGV[1], 'head', 'x.2.y', 'change', ARGV[2])`
  await redis.cli('EVAL', script, '0', head, change)
  await when(a.store, () => !a.store.status().up)
  expect(a.store.documents().revision).toBe(1)
  expect(a.store.status()).toMatchObject({ detail: expect.stringContaining('Upgrade this instance') })
})

test('a write to the state of a newer Cutover is refused at once', async () => {
  const a = await open(redis.url)
  await next(a.store)
  await redis.cli('HSET', '{test}:meta', 'format', '2')
  const refused = a.store.commit(changeFor(2)).catch((error: Error) => error)
  expect(await msOf(refused)).toBeLessThan(1_000)
  expect((await refused) as Error).not.toBeInstanceOf(OutcomeUnknown)
  expect(((await refused) as Error).message).toContain('newer Cutover (format 2)')
  expect(await redis.cli('HGET', '{test}:meta', 'revision')).toBe('1')
})

test.each(['xadd', 'ltrim', 'hdel', 'expire', 'lpos'])(
  'a user that may not %s is refused before anything is written',
  async (command) => {
    await redis.cli('ACL', 'SETUSER', 'some', 'on', '>secret-secret', ...ACL.split(' '), `-${command}`)
    const { store } = await storeOn(redis.url.replace('redis://', 'redis://some:secret-secret@'))
    const error = await store.open().catch((reason: Error) => reason)
    expect((error as Error).message).toContain('Redis refuses our credentials')
    expect((error as Error).message).not.toContain('secret-secret')
    expect(await redis.cli('KEYS', '{test}:[^c]*')).toBe('')
  },
)

test('a connection that breaks during a write delays it by less than a second, and the store is not reported away', async () => {
  const a = await open(redis.url)
  await next(a.store)
  for (let round = 0; round < 5; round++) {
    const write = next(a.store)
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    expect(await msOf(write)).toBeLessThan(900)
    // What comes right behind the break is sent over the next connection.
    await when(a.store, () => a.store.status().up)
  }
  const { revision, head: _, ...rest } = a.store.documents()
  let model = EMPTY_DOCUMENTS
  for (let made = 1; made <= revision; made++) model = applyChange(model, changeFor(made, 'shop'))
  expect({ ...rest, revision }).toEqual({ configuration: model.configuration, services: model.services, revision: 6 })
  expect(a.told).toEqual([])
})

test('a server that is not Redis is reported as such', async () => {
  const other = createServer((_request, response) => response.end()).listen(0, '127.0.0.1')
  await once(other, 'listening')
  endWithAll({ stop: () => other.close() })
  const { port } = other.address() as AddressInfo
  const { store } = await storeOn(`redis://127.0.0.1:${port}`)
  await expect(store.open()).rejects.toThrow(
    /is away \(the server there is not Redis; check host and port of store\.redis/,
  )
})
