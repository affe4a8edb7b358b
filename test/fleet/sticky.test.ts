import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet, type InstanceName } from './support.ts'

const TWO: readonly InstanceName[] = ['a', 'b']

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.empty()
  const shop = fleet.app.service({ sticky: { cookie: 'server' } })
  // Both define the service at once: one key, whoever comes first.
  await Promise.all(TWO.map((name) => fleet.add(name, { services: { shop } })))
  await fleet.settled()
})
afterAll(() => fleet?.stop())

async function askAt(name: InstanceName, cookie = '') {
  const response = await fetch(fleet.get(name).proxy, { headers: { connection: 'close', ...(cookie && { cookie }) } })
  return { server: await response.text(), set: response.headers.getSetCookie() }
}

test('two instances of two workers on one Redis agree on the cookies', async () => {
  const known = new Map<string, string>()
  for (let i = 0; i < 20; i++) {
    const { server, set } = await askAt(i % 2 === 0 ? 'a' : 'b')
    const cookie = set[0]?.split(';')[0] ?? ''
    expect(known.get(server) ?? cookie).toBe(cookie)
    known.set(server, cookie)
  }
  expect(known.size).toBeGreaterThan(1)
  for (let i = 0; i < 6; i++) {
    for (const [server, cookie] of known) {
      for (const name of TWO) expect(await askAt(name, cookie)).toEqual({ server, set: [] })
    }
  }
})
