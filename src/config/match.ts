import type { RequestMatch, ValueTest } from '../model/traffic-policies.ts'
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

function testsOf(
  tests: Readonly<Record<string, string | ValueTest>>,
  nameOf = (name: string) => name,
): Readonly<Record<string, ValueTest>> {
  return Object.fromEntries(Object.entries(tests).map(([name, test]) => [nameOf(name), testOf(test)]))
}

function testOf(test: string | ValueTest): ValueTest {
  return typeof test === 'string' ? { exact: test } : test
}
