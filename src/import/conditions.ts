import type { Match } from './draft.ts'
import { both, negated } from './matches.ts'
import { covers, isUnder } from './places.ts'

/** Conditions that hold together: on the host, on the begin of the path, and on anything else. */
export interface Conjunction {
  readonly hosts: readonly string[] | null
  readonly paths: readonly string[] | null
  readonly match: Match | null
  /** Hosts and paths for which it does not hold. */
  readonly except: { readonly hosts: readonly string[]; readonly paths: readonly string[] }
}

/** One of them must hold; an empty list never holds. */
export type Condition = readonly Conjunction[]

const ANY: Conjunction = { hosts: null, paths: null, match: null, except: { hosts: [], paths: [] } }

export const ALWAYS: Condition = [ANY]
export const NEVER: Condition = []

export function atHosts(hosts: readonly string[]): Condition {
  return [{ ...ANY, hosts }]
}

export function atPaths(paths: readonly string[]): Condition {
  return [{ ...ANY, paths }]
}

export function only(match: Match): Condition {
  return [{ ...ANY, match }]
}

/** Where both hold; null = Cutover cannot say it. */
export function and(a: Condition, b: Condition): Condition | null {
  const pairs = a.flatMap((first) => b.flatMap((second) => together(first, second)))
  return pairs.every((pair) => pair !== null) ? pairs : null
}

/** Where both hold; nothing if they exclude each other, null if Cutover cannot say it. */
function together(a: Conjunction, b: Conjunction): readonly (Conjunction | null)[] {
  const hosts = intersection(a.hosts, b.hosts, (inner, outer) => covers(outer, inner))
  const paths = intersection(a.paths, b.paths, isUnder)
  if (hosts?.length === 0 || paths?.length === 0) return []
  const match = both(a.match, b.match)
  if (match === null && (a.match !== null || b.match !== null)) return [null]
  const except = { hosts: [...a.except.hosts, ...b.except.hosts], paths: [...a.except.paths, ...b.except.paths] }
  return [{ hosts, paths, match, except }]
}

/** What two lists of hosts or prefixes have in common; null = all. */
function intersection(
  a: readonly string[] | null,
  b: readonly string[] | null,
  isWithin: (inner: string, outer: string) => boolean,
): readonly string[] | null {
  if (a === null || b === null) return a ?? b
  const common = a.flatMap((one) =>
    b.flatMap((other) => (isWithin(one, other) ? one : isWithin(other, one) ? other : [])),
  )
  return [...new Set(common)]
}

/** Where a condition does not hold; null = Cutover cannot say it, as where it has several parts. */
export function not(condition: Condition): Condition | null {
  if (condition.length === 0) return ALWAYS
  let all: Condition | null = ALWAYS
  for (const { hosts, paths, match, except } of condition) {
    const isSimple = [hosts, paths, match].filter((part) => part !== null).length <= 1
    if (!isSimple || except.hosts.length + except.paths.length > 0) return null
    if (hosts === null && paths === null && match === null) return NEVER
    const turned = match === null ? null : negated(match)
    if (match !== null && turned === null) return null
    const one = { hosts: null, paths: null, match: turned, except: { hosts: hosts ?? [], paths: paths ?? [] } }
    all = all === null ? null : and(all, [one])
  }
  return all
}
