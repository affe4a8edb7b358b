import { expect, test } from 'vitest'
import { NOT_YET_IN_FILE, NOT_YET_IN_SERVICE } from '../../src/config/not-yet.ts'
import { configOf, configProblemsOf, problemsOf, SMALL, specOf } from './support.ts'

/** By key: a value that asks for the feature, and one that does not, spelt otherwise than the default. */
const IN_FILE: Readonly<Record<string, readonly [unknown, unknown]>> = {
  'proxy.accessLog.format': ['combined', 'json'],
}
const IN_SERVICE: Readonly<Record<string, readonly [unknown, unknown]>> = {
  mirror: [{ to: 'blue' }, null],
}

test('every key that is not available yet is tested here', () => {
  expect(Object.keys(IN_FILE)).toEqual(NOT_YET_IN_FILE.map(([key]) => key))
  expect(Object.keys(IN_SERVICE)).toEqual(NOT_YET_IN_SERVICE.map(([key]) => key))
})

test.for(Object.entries(IN_FILE))('%s is refused by name, its default is not', ([key, [asking, harmless]]) => {
  expect(configProblemsOf(nested(key, asking))).toEqual([expect.stringContaining(`${key}: not available yet; `)])
  configOf(nested(key, harmless))
})

test.for(Object.entries(IN_SERVICE))('%s is refused by name, its default is not', ([key, [asking, harmless]]) => {
  expect(problemsOf(nested(key, asking))).toEqual([expect.stringContaining(`${key}: not available yet; `)])
  specOf({ ...SMALL, ...nested(key, harmless) })
})

test('the refusal names the values that work', () => {
  expect(problemsOf({ mirror: { to: 'blue' } })).toEqual(['mirror: not available yet; leave it out'])
})

test.for<[unknown, string]>([
  [{ address: ':443', tls: { cert: 'x' } }, 'proxy.listen.tls: not available yet; listen without it'],
])('listening on %j is refused', ([listen, problem]) => {
  expect(configProblemsOf({ proxy: { listen } })).toEqual([problem])
})

function nested(key: string, value: unknown): object {
  return key.split('.').reduceRight<unknown>((inner, name) => ({ [name]: inner }), value) as object
}
