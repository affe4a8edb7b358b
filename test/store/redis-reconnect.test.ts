import { afterEach, expect, test } from 'vitest'
import { RedisConnection } from '../../src/store/redis/redis-connection.ts'
import { SentinelGroup } from '../support/redis-sentinel.ts'
import { endAll, endWithAll } from './redis-support.ts'

afterEach(endAll)

test('a connection through sentinels comes back whenever it was dropped, also while it is being made', async () => {
  const group = endWithAll(await SentinelGroup.start())
  const sentinels = group.sentinels.map((text) => {
    const [host = '', port = ''] = text.split(':')
    return { host, port: Number(port) }
  })
  const connection = new RedisConnection({ topology: { kind: 'sentinel', sentinels, name: group.name }, tls: null })
  connection.open()
  expect(await connection.ready(10_000)).toBe(true)
  const primary = await group.primary()
  for (let round = 0; round < 30; round++) {
    await primary.cli('CLIENT', 'KILL', 'TYPE', 'normal')
    // At some moment of looking for the primary and connecting to it.
    const until = performance.now() + round
    while (performance.now() < until) {
      connection.reconnect()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect([round, await connection.ready(5_000)]).toEqual([round, true])
    expect(await connection.command((client) => client.ping())).toBe('PONG')
  }
  connection.close()
})
