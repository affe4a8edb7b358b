import type { Redis } from 'ioredis'
import { afterEach, describe, expect, test } from 'vitest'
import { redisClient } from '../../src/store/redis/redis-client.ts'
import { StoreUnusable } from '../../src/store/store.ts'
import { RedisServer } from '../support/redis.ts'
import { ACL } from './redis-acl.ts'
import { at, endAll, endWithAll, next, open, storeOn, when } from './redis-support.ts'
import { noted, write } from './redis-writing.ts'

const PASSWORD = 's3cret:p@ss/wörd'

afterEach(endAll)

/** Adds a user `cutover` with these rules. */
async function userWith(redis: RedisServer, rules: string): Promise<string> {
  await redis.cli('ACL', 'SETUSER', 'cutover', 'reset', 'on', `>${PASSWORD}`, ...rules.split(' '))
  return `redis://cutover:${encodeURIComponent(PASSWORD)}@127.0.0.1:${redis.port}`
}

/** The error with which a store does not start. */
async function refusal(url: string, tls?: { ca?: string }): Promise<{ message: string; told: readonly string[] }> {
  const { store, told } = await storeOn(url, tls === undefined ? {} : { tls })
  const error = await store.open().catch((reason: unknown) => reason)
  expect(error).toBeInstanceOf(StoreUnusable)
  return { message: (error as Error).message, told }
}

describe('a Redis with a password', () => {
  test('is used with the password in the URL, which no message contains', async () => {
    const redis = endWithAll(await RedisServer.start({ password: PASSWORD, persist: true }))
    const a = await open(redis.url)
    await next(a.store)
    await redis.kill()
    await when(a.store, () => !a.store.status().up)
    const refused = await write(a.store, 'refused')
    await redis.restart()
    await when(a.store, () => a.store.status().up)
    await redis.cli('CONFIG', 'SET', 'requirepass', 'another one')
    await redis.cli('-a', 'another one', 'CLIENT', 'KILL', 'TYPE', 'normal')
    await when(a.store, () => !a.store.status().up)
    const texts = [...a.told, JSON.stringify(a.store.status()), 'error' in refused ? refused.error.message : '']
    expect(a.told.length).toBeGreaterThan(2)
    for (const text of texts) expect(text).not.toMatch(/s3cret|another one|127\.0\.0\.1/)
  })

  test.each([
    ['a wrong one', (port: number) => `redis://:wrong-one@127.0.0.1:${port}`],
    ['none', (port: number) => `redis://127.0.0.1:${port}`],
    ['an unknown user', (port: number) => `redis://nobody:wrong-one@127.0.0.1:${port}`],
  ])('with %s: a store does not start, and says so without it and without the address', async (_, urlOf) => {
    const redis = endWithAll(await RedisServer.start({ password: PASSWORD }))
    const { message, told } = await refusal(urlOf(redis.port))
    expect(message).toContain('credentials')
    for (const text of [message, ...told]) {
      expect(text).not.toMatch(/wrong|s3cret|nobody|127\.0\.0\.1/)
      expect(text).not.toContain(String(redis.port))
    }
  })
})

describe('a user with few rights', () => {
  test('that are enough for all that a store does', async () => {
    const redis = endWithAll(await RedisServer.start())
    const url = await userWith(redis, ACL)
    const [a, b] = [await open(url), await open(url)]
    for (let i = 0; i < 8; i++) await next((i % 2 === 0 ? a : b).store)
    await at(b.store, 8)
    await a.store.remember('key', { answer: 1 })
    expect(await b.store.recall('key')).toEqual({ answer: 1 })
    expect(await a.store.history({ service: 'shop', limit: 3 })).toHaveLength(3)
    const heardOf = new Promise((resolve) => b.store.register.onReport((id) => resolve(id)))
    await a.store.register.beat('one', {})
    await b.store.register.beat('two', {})
    a.store.register.report('one', { boot: 'b', sequence: 1, cut: {}, standing: {} }, true)
    expect(await heardOf).toBe('one')
    expect(await a.store.register.strike(['one'], { leaving: true }, 0)).toEqual(['one'])
    await a.store.register.forget(['one'])
    await redis.cli('SCRIPT', 'FLUSH')
    await next(a.store)
    await redis.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    await next(a.store)
    await at(b.store, 10)
    await redis.cli('FLUSHALL')
    await when(a.store, () => a.store.counts().restores + b.store.counts().restores > 0)
    await redis.cli('DEL', '{test}:services')
    await redis.cli('SET', '{test}:services', 'nonsense')
    await when(a.store, () => a.store.counts().restores + b.store.counts().restores > 1)
    await next(b.store)
    await at(a.store, 11)
    const lease = await a.store.leases.take('rollouts', 'a', 60_000)
    if (lease === null) throw new Error('there is no other holder')
    expect(await a.store.leases.renew(lease, 60_000)).toBe(true)
    await a.store.leases.release(lease)
    await at(b.store, 13)
    expect(a.store.documents()).toEqual(b.store.documents())
    expect(await redis.cli('ACL', 'LOG')).toBe('')
    // And none of them is too many.
    const stats = await redis.cli('INFO', 'commandstats')
    const unused = ACL.split(' +')
      .slice(1)
      .filter((command) => !stats.includes(`cmdstat_${command}:`))
    // Whether the feed has to be looked at once more is a matter of time; for replicas there have to be some.
    expect(unused.filter((command) => command !== 'xrange')).toEqual(['wait'])
  })

  test('that do not reach to the keys of another prefix: a store there does not start, and says so', async () => {
    const redis = endWithAll(await RedisServer.start())
    const url = await userWith(redis, ACL)
    const { store } = await storeOn(url, { prefix: 'another' })
    await expect(store.open()).rejects.toThrow(/credentials|permission/)
  })

  test('that are taken away while a store runs: it is away, with the reason, and back when they are granted again', async () => {
    const redis = endWithAll(await RedisServer.start())
    const a = await open(await userWith(redis, ACL))
    await next(a.store)
    await redis.cli('ACL', 'SETUSER', 'cutover', '-evalsha', '-eval')
    await when(a.store, () => !a.store.status().up)
    expect(a.store.status()).toMatchObject({ detail: expect.stringContaining('NOPERM') })
    await expect(a.store.commit(noted(2, 'refused'))).rejects.toThrow('credentials')
    await redis.cli('ACL', 'SETUSER', 'cutover', '+evalsha', '+eval')
    await when(a.store, () => a.store.status().up)
    await next(a.store)
    expect(await redis.cli('HGET', '{test}:meta', 'revision')).toBe('2')
  })
})

describe('a Redis with TLS', () => {
  test('is used with rediss:// and the authority that has signed for it, and not without', async () => {
    const redis = endWithAll(await RedisServer.start({ tls: true, password: PASSWORD }))
    const tls = { ca: redis.caFile }
    const [a, b] = [await open(redis.url, { tls }), await open(redis.url, { tls })]
    await next(a.store)
    await at(b.store, 1)
    const { message, told } = await refusal(redis.url)
    expect(message).toMatch(/cannot be reached \((SELF_SIGNED|UNABLE_TO)\w+\)/)
    for (const text of [message, ...told]) expect(text).not.toMatch(/s3cret|127\.0\.0\.1/)
  })

  test('whose certificate is not trusted: a second error of the same connection ends nothing', async () => {
    const redis = endWithAll(await RedisServer.start({ tls: true, password: PASSWORD }))
    const client = redisClient({ topology: { kind: 'single', url: redis.url }, tls: {} }, 'test', 1_000)
    const failed = new Promise((resolve) => client.once('error', resolve))
    client.connect().catch(() => undefined)
    await failed
    const { stream } = client as Redis
    client.disconnect()
    // The first one has left its listeners.
    expect(() => stream.emit('error', new Error('tlsv1 alert decode error'))).not.toThrow()
  })

  test('and a file of its certificates that is not there: the setting is named', async () => {
    await expect(storeOn('rediss://127.0.0.1:1', { tls: { ca: '/nowhere/ca.crt' } })).rejects.toThrow(
      'store.tls.ca: /nowhere/ca.crt cannot be read',
    )
  })
})
