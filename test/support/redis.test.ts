import { readFile } from 'node:fs/promises'
import { Cluster, Redis } from 'ioredis'
import { afterEach, expect, test } from 'vitest'
import { RedisServer } from './redis.ts'
import { RedisCluster } from './redis-cluster.ts'
import { SentinelGroup } from './redis-sentinel.ts'

const ends: (() => unknown)[] = []

afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

function ending<T extends RedisServer | SentinelGroup | RedisCluster>(started: T): T {
  ends.push(() => started.stop())
  return started
}

function connected<T extends Redis | Cluster>(client: T): T {
  // Every failure that matters shows in the answer to a command.
  client.on('error', () => {})
  ends.push(() => client.disconnect())
  return client
}

test('a server keeps what is persisted through a kill and a shutdown', async () => {
  const server = ending(await RedisServer.start({ persist: true }))
  await server.cli('set', 'colour', 'blue')
  await server.kill()
  expect(server.running).toBe(false)
  await expect(server.cli('ping')).rejects.toThrow('Connection refused')
  await server.restart()
  expect(await server.cli('get', 'colour')).toBe('blue')
  await server.shutdown()
  await server.restart()
  expect(await server.cli('get', 'colour')).toBe('blue')
})

test('a server keeps nothing unless asked, and starts on the data of another', async () => {
  const forgetful = ending(await RedisServer.start())
  await forgetful.cli('set', 'colour', 'blue')
  await forgetful.shutdown()
  await forgetful.restart()
  expect(await forgetful.cli('get', 'colour')).toBe('')
  const first = ending(await RedisServer.start({ persist: true }))
  await first.cli('set', 'colour', 'green')
  await first.kill()
  const second = ending(await RedisServer.start({ persist: true, path: first.folder }))
  expect(await second.cli('get', 'colour')).toBe('green')
})

test('a server asks for its password', async () => {
  const server = ending(await RedisServer.start({ password: 'open: sesame/1' }))
  expect(await server.cli('ping')).toBe('PONG')
  expect(await connected(new Redis(server.url)).ping()).toBe('PONG')
  const stranger = connected(new Redis(server.port, '127.0.0.1'))
  await expect(stranger.get('colour')).rejects.toThrow('NOAUTH')
})

test('a server speaks TLS with a certificate that its authority vouches for', async () => {
  const server = ending(await RedisServer.start({ tls: true, password: 'sesame' }))
  expect(await server.cli('ping')).toBe('PONG')
  const ca = await readFile(server.caFile)
  expect(await connected(new Redis(server.url, { tls: { ca } })).ping()).toBe('PONG')
  const distrustful = connected(new Redis(server.url, { retryStrategy: () => null, maxRetriesPerRequest: 0 }))
  await expect(distrustful.ping()).rejects.toThrow()
})

test('a paused server answers nothing until it is resumed', async () => {
  const server = ending(await RedisServer.start())
  const client = connected(new Redis(server.url, { commandTimeout: 200 }))
  expect(await client.ping()).toBe('PONG')
  server.pause()
  await expect(client.ping()).rejects.toThrow('Command timed out')
  server.resume()
  expect(await client.ping()).toBe('PONG')
})

test('a server that does not become ready says why', async () => {
  await expect(RedisServer.start({ args: ['--no-such-option', '1'] })).rejects.toThrow('Bad directive')
  const server = ending(await RedisServer.start())
  await expect(RedisServer.start({ port: server.port })).rejects.toThrow('Address already in use')
})

test('a group of sentinels has a new primary after a kill', async () => {
  const group = ending(await SentinelGroup.start())
  const sentinels = group.sentinelServers.map(({ port }) => ({ host: '127.0.0.1', port }))
  const client = connected(new Redis({ sentinels, name: group.name }))
  await client.set('colour', 'blue')
  // Replicas follow on their own time; what has not reached them is lost with the primary.
  expect(await client.wait(2, 5000)).toBe(2)
  const old = await group.primary()
  const current = await group.failOver()
  expect(current).not.toBe(old)
  expect(await current.cli('get', 'colour')).toBe('blue')
  expect(await current.cli('set', 'colour', 'green')).toBe('OK')
  expect(await client.get('colour')).toBe('green')
})

test.each([0, 1] as const)('a cluster takes writes, with %i replicas of each primary', async (replicas) => {
  const cluster = ending(await RedisCluster.start({ replicas }))
  expect(cluster.addresses).toHaveLength(3 + 3 * replicas)
  const client = connected(new Cluster([...cluster.addresses]))
  const owners = new Set<RedisServer>()
  for (const key of ['blue', 'green', 'red', 'yellow', 'black', 'white']) {
    await client.set(key, '1')
    const owner = await cluster.ownerOf(key)
    owners.add(owner)
    expect(await owner.cli('get', key)).toBe('1')
  }
  expect(owners.size).toBe(3)
})
