import { afterEach, expect, test } from 'vitest'
import { script } from '../../src/store/redis/script.ts'
import { RedisServer } from '../support/redis.ts'
import { Relay } from '../support/relay.ts'
import { at, endAll, endWithAll, next, open } from './redis-support.ts'

afterEach(endAll)

test('a reload that the feed has overtaken is dropped', async () => {
  const redis = endWithAll(await RedisServer.start())
  const relay = endWithAll(await Relay.start(redis.port))
  const first = await open(redis.url)
  await next(first.store)
  await first.store.close()
  const b = await open(`redis://127.0.0.1:${relay.port}`)
  const revisions: number[] = []
  b.store.subscribe(({ revision }) => revisions.push(revision))

  // A head that leads nowhere makes b read everything; that is what it gets, as soon as the answer is let through.
  const reading = relay.holdAnswersTo(script('load.lua').sha)
  await redis.cli('HSET', '{test}:meta', 'head', 'elsewhere')
  await reading.caught
  await redis.cli('HSET', '{test}:meta', 'head', b.store.documents().head)

  const other = await open(redis.url)
  await next(other.store)
  await at(b.store, 2)
  reading.release()
  await next(other.store)
  await at(b.store, 3)
  expect(revisions).toEqual([2, 3])
  expect(b.store.counts().reloads).toBe(0)
  expect(b.store.documents()).toEqual(other.store.documents())
})
