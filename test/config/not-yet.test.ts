import { expect, test } from 'vitest'
import { configProblemsOf } from './support.ts'

test.for<[unknown, string]>([
  [{ address: ':443', tls: { cert: 'x' } }, 'proxy.listen.tls: not available yet; listen without it'],
])('listening on %j is refused', ([listen, problem]) => {
  expect(configProblemsOf({ proxy: { listen } })).toEqual([problem])
})
