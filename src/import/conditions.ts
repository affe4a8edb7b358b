import type { Match } from './draft.ts'
import { both, negated } from './matches.ts'

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
  const pairs = a.flatMap((first) => b.map((second) => together(first, second)))
  return pairs.every((pair) => pair !== null) ? pairs : null
}

function together(a: Conjunction, b: Conjunction): Conjunction | null {
  if ((a.hosts !== null && b.hosts !== null) || (a.paths !== null && b.paths !== null)) return null
  const match = both(a.match, b.match)
  if (match === null && (a.match !== null || b.match !== null)) return null
  const except = { hosts: [...a.except.hosts, ...b.except.hosts], paths: [...a.except.paths, ...b.except.paths] }
  return { hosts: a.hosts ?? b.hosts, paths: a.paths ?? b.paths, match, except }
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
