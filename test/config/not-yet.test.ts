import { expect, test } from 'vitest'
import { NOT_YET_IN_FILE } from '../../src/config/not-yet.ts'
import { configOf, configProblemsOf } from './support.ts'

/** By key: a value that asks for the feature, and one that does not, spelt otherwise than the default. */
const IN_FILE: Readonly<Record<string, readonly [unknown, unknown]>> = {
  'proxy.accessLog.format': ['combined', 'json'],
}
test('every key that is not available yet is tested here', () => {
  expect(Object.keys(IN_FILE)).toEqual(NOT_YET_IN_FILE.map(([key]) => key))
})

test.for(Object.entries(IN_FILE))('%s is refused by name, its default is not', ([key, [asking, harmless]]) => {
  expect(configProblemsOf(nested(key, asking))).toEqual([expect.stringContaining(`${key}: not available yet; `)])
  configOf(nested(key, harmless))
})

test.for<[unknown, string]>([
  [{ address: ':443', tls: { cert: 'x' } }, 'proxy.listen.tls: not available yet; listen without it'],
])('listening on %j is refused', ([listen, problem]) => {
  expect(configProblemsOf({ proxy: { listen } })).toEqual([problem])
})

function nested(key: string, value: unknown): object {
  return key.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object
}
