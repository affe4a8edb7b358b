import { afterAll, beforeAll, expect, test } from 'vitest'
import { BLUE } from '../fleet/app.ts'
import { Fleet } from '../fleet/support.ts'
import { runCutover } from './support.ts'

let fleet: Fleet
beforeAll(async () => {
  fleet = await Fleet.empty({ proxy: { workers: 0 } })
  await Promise.all([fleet.add('a'), fleet.add('b')])
  await fleet.settled()
})
afterAll(() => fleet?.stop())

test('a roll goes on when an instance dies while a server is deployed', async () => {
  const [a, b] = [fleet.get('a'), fleet.get('b')]
  const env = { CUTOVER_ADMIN: `${a.admin},${b.admin}` }
  // The first command ends an instance, at once; the others find it gone.
  const exec = `kill -9 ${a.process.pid} 2> /dev/null; echo deployed {server}`
  const { code, stdout, stderr } = await runCutover(['roll', 'shop', '--exec', exec, '--watch', '0s'], { env })
  expect([code, stderr, stdout]).toEqual([0, expect.not.stringContaining('Out of traffic'), expect.anything()])
  for (const server of BLUE) expect(stdout).toContain(`${server} | deployed ${server}`)
  const { servers } = (await b.api('GET', '/api/servers')).body
  expect(servers.map(({ state }: { state: string }) => state)).toEqual(servers.map(() => 'ready'))
})
