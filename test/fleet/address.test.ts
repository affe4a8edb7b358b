import { Redis } from 'ioredis'
import { afterEach, expect, test } from 'vitest'
import { freePort } from '../support/upstream.ts'
import { Fleet, killControl } from './support.ts'

let fleet: Fleet | undefined
let redis: Redis | undefined

afterEach(async () => {
  redis?.disconnect()
  await fleet?.stop()
})

/** The addresses in what instances say of themselves, in the order in which Redis is told. */
async function watchAddresses(url: string): Promise<string[]> {
  redis = new Redis(url)
  const said: string[] = []
  const monitor = await redis.monitor()
  monitor.on('monitor', (_time: string, command: readonly string[]) => {
    for (const argument of command) {
      const address = /"address":"([^"]*)".*"processes":/.exec(argument)?.[1]
      if (address !== undefined) said.push(address)
    }
  })
  redis.on('end', () => monitor.disconnect())
  return said
}

test.each([2, 0])(
  'an instance of %i workers says from its first word on where it is, and so does its next control process',
  async (workers) => {
    fleet = await Fleet.empty()
    const said = await watchAddresses(fleet.redis.url)
    // One that is killed before it has said so could never be known to be replaced by the next one in its place.
    const listen = `127.0.0.1:${await freePort()}`
    const cutover = await fleet.add('a', { proxy: { workers }, admin: { listen } })
    await fleet.settled()
    if (workers > 0) {
      await killControl(cutover)
      await fleet.settled()
    }
    expect(said.length).toBeGreaterThan(0)
    expect(new Set(said)).toEqual(new Set([`http://${listen}`]))
  },
)
