import type { RequestMatch } from '../model/traffic-policies.ts'
import type { ValueTest } from '../model/value-test.ts'
import type { MatchSettings } from './schema/routes.ts'

/** Converts the conditions of a route to those of the model. */
export function matchOf(match: MatchSettings): RequestMatch {
  const { method, path, header, cookie, query, ip } = match
  const not = 'not' in match ? match.not : undefined
  return {
    ...(method && { methods: [method].flat() }),
    ...(path !== undefined && { path: testOf(path) }),
    ...(header && { headers: testsOf(header, (name) => name.toLowerCase()) }),
    ...(cookie && { cookies: testsOf(cookie) }),
    ...(query && { query: testsOf(query) }),
    ...(ip && { ips: [ip].flat() }),
    ...(not && { not: matchOf(not) }),
  }
}

/** Converts tests by the names of what they test. */
export function testsOf(
  tests: Readonly<Record<string, string | ValueTest>>,
  nameOf = (name: string) => name,
): Readonly<Record<string, ValueTest>> {
  return Object.fromEntries(Object.entries(tests).map(([name, test]) => [nameOf(name), testOf(test)]))
}

/** Converts a test that may be the exact value alone. */
export function testOf(test: string | ValueTest): ValueTest {
  return typeof test === 'string' ? { exact: test } : test
}
