import type { Match, Target } from './draft.ts'
import { covers, hostOrder, isUnder, prefixOf } from './places.ts'
import type { Statement } from './report.ts'

/** One decision of another proxy: in a list of rules, the first that fits decides. */
export interface Rule {
  /** Host names, `*.` allowed in front; null = any host. */
  readonly hosts: readonly string[] | null
  /** Path prefixes without a slash at the end, on segment boundaries; null = any path. */
  readonly paths: readonly string[] | null
  /** Hosts and path prefixes for which it does not hold. */
  readonly except?: { readonly hosts: readonly string[]; readonly paths: readonly string[] }
  /** More conditions; null = none. */
  readonly match: Match | null
  /** null = the other proxy answers itself, or refuses: Cutover sends the request nowhere. */
  readonly target: Target | null
  /** Name of the route, if it becomes one. */
  readonly name: string
  /** What says so. */
  readonly statement: Statement
}

/** What is decided for the requests to one host and path prefix. */
export interface Decision {
  /** Rules with more conditions, asked first. */
  readonly conditional: readonly Rule[]
  readonly target: Target | null
}

export interface Cell extends Decision {
  /** null = any host. */
  readonly host: string | null
  readonly path: string
}

/**
 * Decides by a list of rules for every host and path that they name, and returns the decisions that Cutover needs: it looks
 * for the most specific host, then for the longest path, so whatever follows from a less specific one is left out.
 */
export function cellsOf(given: readonly Rule[]): readonly Cell[] {
  const rules = given.flatMap(withPathAsCondition)
  const all = (of: (rule: Rule) => readonly string[] | null | undefined) => rules.flatMap((rule) => of(rule) ?? [])
  const hosts = [...new Set([null, ...all((rule) => rule.hosts), ...all(({ except }) => except?.hosts)])].sort(
    hostOrder,
  )
  const paths = [...new Set(['/', ...all((rule) => rule.paths), ...all(({ except }) => except?.paths)])]
  paths.sort((a, b) => a.length - b.length)
  const kept = new Map<string | null, Map<string, Cell>>()
  for (const host of hosts) {
    const concerning = rules.filter(
      (rule) =>
        (rule.hosts === null || rule.hosts.some((each) => covers(each, host))) &&
        rule.except?.hosts.some((each) => covers(each, host)) !== true,
    )
    for (const path of paths) {
      const cell = { host, path, ...decide(concerning, path, paths) }
      const inherited = lookUp(kept, host, path)
      const isNothing = cell.target === null && cell.conditional.length === 0
      if (inherited === undefined ? isNothing : isSame(seenFrom(inherited, path, paths), cell)) continue
      const ofHost = kept.get(host) ?? new Map<string, Cell>()
      kept.set(host, ofHost.set(path, cell))
    }
  }
  return [...kept.values()].flatMap((ofHost) =>
    [...ofHost.values()].map((cell) => withoutDeeper(cell, [...ofHost.keys()])),
  )
}

/** A decision without the rules for prefixes at which other cells of the host decide. */
function withoutDeeper(cell: Cell, paths: readonly string[]): Cell {
  const deeper = paths.filter((path) => path !== cell.path && isUnder(path, cell.path))
  const conditional = cell.conditional.filter(({ match }) => {
    const test = match?.path
    const prefix = typeof test === 'object' && test.prefix !== undefined ? prefixOf(test.prefix) : null
    return prefix === null || !deeper.some((path) => isUnder(prefix, path))
  })
  return { ...cell, conditional }
}

/** A rule with further conditions as one for each of its paths, which become conditions: they need no service of their own. */
function withPathAsCondition(rule: Rule): readonly Rule[] {
  const { match, paths } = rule
  if (match === null || paths === null || match.path !== undefined) return [rule]
  return paths.map((prefix) => ({ ...rule, paths: null, match: { path: { prefix }, ...match } }))
}

function decide(rules: readonly Rule[], path: string, paths: readonly string[]): Decision {
  const conditional: Rule[] = []
  for (const rule of rules) {
    const { match, except } = rule
    if (rule.paths !== null && !rule.paths.some((prefix) => isUnder(path, prefix))) continue
    if (except?.paths.some((prefix) => isUnder(path, prefix)) === true) continue
    if (match === null) return { conditional, target: rule.target }
    if (concerns(match, path, paths)) conditional.push({ ...rule, match: within(match, path) })
  }
  return { conditional, target: null }
}

/** What is left of a decision for requests below `path`. */
function seenFrom({ conditional, target }: Decision, path: string, paths: readonly string[]): Decision {
  const left = conditional.flatMap((rule) => {
    const { match } = rule
    return match !== null && concerns(match, path, paths) ? [{ ...rule, match: within(match, path) }] : []
  })
  return { conditional: left, target }
}

/** A condition without the part of it that holds for all paths below `path`. */
function within(match: Match, path: string): Match {
  const { path: test, ...rest } = match
  const isOnlyPrefix = typeof test === 'object' && Object.keys(test).length === 1 && test.prefix !== undefined
  const holds = isOnlyPrefix && isUnder(path, prefixOf(test.prefix ?? '') ?? test.prefix ?? '')
  return holds && Object.keys(rest).length > 0 ? rest : match
}

/** Whether a condition can hold for requests that Cutover finds by the prefix `path`, one of `paths`. */
function concerns({ path: test }: Match, path: string, paths: readonly string[]): boolean {
  if (typeof test === 'string') {
    const longest = paths.findLast((each) => isUnder(test, each))
    return longest === path
  }
  const prefix = test?.prefix === undefined ? null : prefixOf(test.prefix)
  return prefix === null || isUnder(path, prefix) || isUnder(prefix, path)
}

/** The decision that Cutover finds so far for a host and path. */
function lookUp(
  kept: ReadonlyMap<string | null, ReadonlyMap<string, Cell>>,
  host: string | null,
  path: string,
): Cell | undefined {
  const candidates = [...kept.keys()].filter((each) => covers(each, host)).sort(hostOrder)
  for (const each of candidates.reverse()) {
    const found = [...(kept.get(each)?.values() ?? [])].filter((cell) => isUnder(path, cell.path))
    if (found.length > 0)
      return found.reduce((longest, cell) => (cell.path.length > longest.path.length ? cell : longest))
  }
  return undefined
}

/** Whether two decisions have the same effect. */
export function isSame(a: Decision, b: Decision): boolean {
  return effectOf(a) === effectOf(b)
}

/** A text that is the same for decisions with the same effect. */
export function effectOf({ conditional, target }: Decision): string {
  return JSON.stringify([target, conditional.map((rule) => [rule.match, rule.target])])
}
