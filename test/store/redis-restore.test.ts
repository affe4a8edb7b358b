import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisConnection } from '../../src/store/redis/redis-connection.ts'
import { NO_HEAD } from '../../src/store/redis/redis-documents.ts'
import { RedisKeys } from '../../src/store/redis/redis-keys.ts'
import { RedisScripts } from '../../src/store/redis/redis-scripts.ts'
import { RedisServer } from '../support/redis.ts'
import { documentsAt } from './changes.ts'
import { endAll, endWithAll } from './redis-support.ts'

let redis: RedisServer

beforeEach(async () => {
  redis = endWithAll(await RedisServer.start())
})
afterEach(endAll)

async function scriptsOn(url: string): Promise<RedisScripts> {
  const connection = new RedisConnection({ topology: { kind: 'single', url }, tls: null })
  endWithAll({ stop: () => connection.close() })
  connection.open()
  expect(await connection.ready(10_000)).toBe(true)
  return new RedisScripts(connection, new RedisKeys('test'))
}

test('the second of two concurrent restores of an emptied store changes nothing', async () => {
  const scripts = await scriptsOn(redis.url)
  // Both have found it empty.
  expect(await scripts.restore(documentsAt(5), [], '5-first', NO_HEAD)).toBe('restored')
  expect(await scripts.restore(documentsAt(3), [], '3-second', NO_HEAD)).toBe('there')
  expect((await scripts.load()).documents).toEqual({ ...documentsAt(5), head: '5-first' })
})

test('a store that has changed since it was found damaged is not restored', async () => {
  const scripts = await scriptsOn(redis.url)
  await scripts.restore(documentsAt(3), [], '3-found', NO_HEAD)
  await scripts.restore(documentsAt(4), [], '4-went-on', '3-found')
  expect(await scripts.restore(documentsAt(2), [], '2-late', '3-found')).toBe('there')
  expect((await scripts.load()).documents.revision).toBe(4)
})
