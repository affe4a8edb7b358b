import { expect, test } from 'vitest'
import { proveChanging } from './changing-proof.ts'
import { PLAIN } from './frontend.ts'

test('names and checks that change in the file under load cost no request', async () => {
  const options = { protocol: PLAIN, rename: true, health: true, reload: true, clients: 8, count: 6, workers: 2 }
  const proof = await proveChanging(options)
  expect(proof.broken).toEqual([])
  expect(proof).toMatchObject({ requestsFailed: 0, failures: {}, changes: { count: 6 } })
  expect(proof.requestsSent).toBeGreaterThan(6 * 8)
})
