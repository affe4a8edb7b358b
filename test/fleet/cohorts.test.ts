import { Pool } from 'undici'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { Fleet, INSTANCES, type InstanceName } from './support.ts'

const IDS = Array.from({ length: 10_000 }, (_, i) => `${i.toString(36)}-client`)
const CONNECTIONS = 16

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.empty()
  const shop = fleet.app.service({ splitBy: 'cookie' })
  for (const name of INSTANCES) await fleet.add(name, { services: { shop } })
  await fleet.settled()
})
afterAll(() => fleet?.stop())

/** The ids of the clients that an instance sends to green; of all clients, unless `some` is given. */
async function greenAt(name: InstanceName, some: readonly string[] = IDS): Promise<ReadonlySet<string>> {
  const pool = new Pool(fleet.get(name).proxy, { connections: CONNECTIONS })
  const green = new Set<string>()
  const left = some.values()
  const client = async (): Promise<void> => {
    for (const id of left) {
      const { statusCode, body } = await pool.request({
        path: '/',
        method: 'GET',
        headers: { cookie: `cutover_id=${id}` },
      })
      const server = await body.text()
      expect(statusCode).toBe(200)
      if (server.startsWith('green')) green.add(id)
    }
  }
  await Promise.all(Array.from({ length: CONNECTIONS }, client))
  await pool.close()
  return green
}

async function shift(percent: number): Promise<void> {
  const { status } = await fleet.get('b').api('POST', '/api/services/shop/shift?wait=10s', { to: 'green', percent })
  expect(status).toBe(200)
}

test('T12 10,000 clients: three instances of two workers agree on each, who is in at 10 % is in at 20 %, and back at 10 % they are the same', async () => {
  await shift(10)
  const atTen = await greenAt('a')
  expect(atTen.size).toBeGreaterThan(880)
  expect(atTen.size).toBeLessThan(1_120)
  expect(await greenAt('b')).toEqual(atTen)
  expect(await greenAt('c')).toEqual(atTen)
  await shift(20)
  const atTwenty = await greenAt('c')
  expect(atTen.isSubsetOf(atTwenty)).toBe(true)
  expect(atTwenty.size).toBeGreaterThan(1_840)
  await shift(10)
  expect(await greenAt('b')).toEqual(atTen)
})
