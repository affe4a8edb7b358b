import type { BlockList } from 'node:net'
import { covers, networks } from '../../model/networks.ts'
import { suggestsSecret } from '../../model/secret-names.ts'
import type { RequestMatch } from '../../model/traffic-policies.ts'
import { holds, type ValueTest, wanted } from '../../model/value-test.ts'
import { pathOf, type RoutedRequest } from './routed-request.ts'

/** A condition on a request. */
export interface Condition {
  fits(request: RoutedRequest): boolean
  /** Why the condition does not hold, for people: `header x-beta is absent`. Asked only if it does not. */
  whyNot(request: RoutedRequest): string
}

/** Compiles a match to its conditions. */
export function conditionsOf({ methods, path, headers, cookies, query, ips, not }: RequestMatch): readonly Condition[] {
  return [
    ...(methods === undefined ? [] : [methodIn(methods)]),
    ...(path === undefined ? [] : [pathFits(path)]),
    ...named(headers, 'header', (request, name) => request.header(name)),
    ...named(cookies, 'cookie', (request, name) => request.cookie(name)),
    ...named(query, 'query parameter', queryValue),
    ...(ips === undefined ? [] : [addressIn(ips)]),
    ...(not === undefined ? [] : [negated(conditionsOf(not))]),
  ]
}

function methodIn(methods: readonly string[]): Condition {
  return {
    fits: ({ method }) => methods.includes(method),
    whyNot: ({ method }) => `method is ${method}, not ${methods.join(' or ')}`,
  }
}

function pathFits(test: ValueTest): Condition {
  return {
    fits: ({ target }) => {
      const path = pathOf(target)
      const { prefix, ...rest } = test
      return holds(rest, path) && (prefix === undefined || hasPathPrefix(path, prefix))
    },
    whyNot: ({ target }) => `path ${pathOf(target)} ${describe(test)}`,
  }
}

/** Whether a path begins with a prefix that ends at a segment: `/api` is a prefix of `/api/x`, not of `/apis`. */
function hasPathPrefix(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  return path.length === prefix.length || prefix.endsWith('/') || path.charCodeAt(prefix.length) === 47
}

function named(
  tests: Readonly<Record<string, ValueTest>> | undefined,
  kind: string,
  read: (request: RoutedRequest, name: string) => string | null,
): readonly Condition[] {
  return Object.entries(tests ?? {}).map(([name, test]) => ({
    fits: (request) => holds(test, read(request, name)),
    whyNot: (request) => `${kind} ${name} ${read(request, name) === null ? 'is absent' : describeNamed(name, test)}`,
  }))
}

function addressIn(ips: readonly string[]): Condition {
  const list: BlockList = networks(ips)
  return {
    fits: ({ address }) => address !== null && covers(list, address),
    whyNot: ({ address }) => `client ${address ?? 'at a socket file'} is not in ${ips.join(', ')}`,
  }
}

function negated(conditions: readonly Condition[]): Condition {
  return {
    fits: (request) => !conditions.every((condition) => condition.fits(request)),
    whyNot: () => 'what "not" excludes holds',
  }
}

/** What a named value lacks; conditions on secrets are not shown. */
function describeNamed(name: string, test: ValueTest): string {
  return test.present !== false && suggestsSecret(name) ? 'is not as wanted' : describe(test)
}

/** What a value lacks that is there and does not fit. */
function describe(test: ValueTest): string {
  return test.present === false ? 'is present' : `is not ${wanted(test)}`
}

/** The first value of a query parameter, decoded; null = there is none. */
function queryValue({ target }: RoutedRequest, name: string): string | null {
  const at = target.indexOf('?')
  return at === -1 ? null : new URLSearchParams(target.slice(at + 1)).get(name)
}
