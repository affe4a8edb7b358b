import { isDeepStrictEqual } from 'node:util'
import { differences } from './differences.ts'
import type { Match, PoolDraft, Settings, Target } from './draft.ts'
import { nameOf, UniqueNames } from './names.ts'
import type { Report, Statement } from './report.ts'
import { type Cell, cellsOf, effectOf, type Rule } from './rules.ts'

export interface RouteDraft {
  readonly name: string
  readonly match: Match
  readonly to: string
  readonly onUnavailable?: 'fail'
}

/** A service of the file. */
export interface ServiceDraft {
  readonly name: string
  /** Empty = any host. */
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
  readonly stripPrefix: boolean
  readonly pools: readonly PoolDraft[]
  /** null = there is one pool. */
  readonly split: Readonly<Record<string, number>> | null
  readonly settings: Settings
  readonly routes: readonly RouteDraft[]
  readonly minReady?: 0
  readonly comments: readonly string[]
}

/** The pool without servers, for requests that reach no server: they are answered 503. */
export const NOWHERE = 'nowhere'
const NOWHERE_POOL: PoolDraft = {
  name: NOWHERE,
  servers: [],
  comment: 'no servers: answered 503',
}

/** Makes services out of rules, in their order. Reports what a route cannot have. */
export function servicesOf(rules: readonly Rule[], report: Report): readonly ServiceDraft[] {
  const cells = cellsOf(rules)
  const groups = Map.groupBy(cells, (cell) => effectOf(cell))
  const tools = { names: new UniqueNames(), report, noted: new OtherPolicies() }
  const services = [...groups.values()].flatMap((group) =>
    regions(group).map(({ hosts, paths }) => serviceOf(group[0] as Cell, hosts, paths, tools)),
  )
  tools.noted.tell(report)
  tellShadowed(rules, cells, report)
  return services
}

interface Tools {
  readonly names: UniqueNames
  readonly report: Report
  readonly noted: OtherPolicies
}

interface Region {
  readonly hosts: readonly string[]
  readonly paths: readonly string[]
}

/** Cells as few products of hosts and paths. */
function regions(cells: readonly Cell[]): readonly Region[] {
  const byHost = Map.groupBy(cells, ({ host }) => host)
  const pathsOf = (of: readonly Cell[]) => of.map(({ path }) => path).sort()
  const any = byHost.get(null)
  byHost.delete(null)
  const named = Map.groupBy([...byHost], ([, of]) => pathsOf(of).join(' '))
  return [
    ...[...named.values()].map((entries) => ({
      hosts: entries.map(([host]) => host as string).sort(),
      paths: pathsOf(entries[0]?.[1] ?? []),
    })),
    ...(any === undefined ? [] : [{ hosts: [], paths: pathsOf(any) }]),
  ]
}

function serviceOf(
  { conditional, target }: Cell,
  hosts: readonly string[],
  paths: readonly string[],
  { names, report, noted }: Tools,
): ServiceDraft {
  // Rules at the end that decide like the target are no routes.
  const last = conditional.findLastIndex((rule) => !isDeepStrictEqual(rule.target, target))
  const rules = conditional.slice(0, last + 1)
  const pools = new Pools(target)
  const routes = routesOf(rules, pools, target, { report, noted })
  const main = target ?? rules.find((rule) => rule.target !== null)?.target ?? null
  if (target === null) pools.add(NOWHERE_POOL)
  return {
    name: names.pick(namesFor(main, hosts, paths)),
    hosts,
    paths,
    stripPrefix: main?.stripPrefix === true,
    pools: pools.list,
    split: splitOf(target, pools.list),
    settings: main?.settings ?? { health: 'off' },
    routes,
    ...(target === null ? { minReady: 0 } : {}),
    comments: main?.comments ?? [],
  }
}

/** Names for a service, the best one first. */
function namesFor(main: Target | null, hosts: readonly string[], paths: readonly string[]): readonly string[] {
  const places = [...hosts.map(labelOf), ...paths.map((path) => nameOf(path, 'rest'))]
  if (main === null) return places.map((place) => `${place}-${NOWHERE}`)
  const [first = 'app'] = main.names
  return [...main.names, ...places.filter((place) => place !== first).map((place) => `${first}-${place}`)]
}

/** `shop` of `shop.example.com` and of `*.shop.example.com`. */
export function labelOf(host: string): string {
  return nameOf(
    host
      .replace(/^\*\./, '')
      .replace(/^www\./, '')
      .split('.')[0] ?? host,
  )
}

/** The pools of a service, each once. */
class Pools {
  readonly list: PoolDraft[] = []

  constructor(target: Target | null) {
    for (const pool of target?.pools ?? []) this.add(pool)
  }

  /** Adds a pool unless it is there; returns its name. */
  add(pool: PoolDraft): string {
    const same = this.list.find(
      (each) => isDeepStrictEqual(each.servers, pool.servers) && baseOf(each) === baseOf(pool),
    )
    if (same !== undefined) return same.name
    let { name } = pool
    for (let n = 2; this.list.some((each) => each.name === name); n++) name = `${pool.name}-${n}`
    this.list.push({ ...pool, name })
    return name
  }
}

function baseOf({ name }: PoolDraft): string {
  return name.replace(/-\d+$/, '')
}

function routesOf(
  rules: readonly Rule[],
  pools: Pools,
  main: Target | null,
  { report, noted }: Omit<Tools, 'names'>,
): RouteDraft[] {
  const names = new UniqueNames()
  return rules.flatMap((rule): RouteDraft[] => {
    const { match, target } = rule
    if (match === null) return []
    const name = names.pick([rule.name])
    if (target === null) return [{ name, match, to: pools.add(NOWHERE_POOL), onUnavailable: 'fail' }]
    for (const pool of target.pools) pools.add(pool)
    const [chosen] = target.pools.toSorted((a, b) => (target.split?.[b.name] ?? 0) - (target.split?.[a.name] ?? 0))
    if (chosen === undefined) return []
    if (Object.values(target.split ?? {}).filter((share) => share > 0).length > 1)
      report.differs(rule.statement, `a route has one pool and no split: these requests all go to ${chosen.name}`)
    if (main !== null) noted.add(rule.statement, target, differences(main, target))
    return [{ name, match, to: pools.add(chosen), onUnavailable: 'fail' }]
  })
}

/** Reports rules that decide nothing, since those before them take all of their requests. */
function tellShadowed(rules: readonly Rule[], cells: readonly Cell[], report: Report): void {
  const deciding = new Set(cells.flatMap(({ conditional }) => conditional.map(({ statement }) => statement)))
  for (const { target, match, statement } of rules) {
    const isUsed = match === null && cells.some((cell) => isDeepStrictEqual(cell.target, target))
    // Where nothing decides, a request finds no service.
    if (match === null && target === null) continue
    if (!isUsed && !deciding.has(statement))
      report.onlyLeftOut(statement, 'the rules before it take all of its requests')
  }
}

/** Notes which policies of a target are not those of the services whose routes lead to it. */
class OtherPolicies {
  private readonly noted = new Map<Statement, { readonly name: string; readonly policies: Set<string> }>()

  add(statement: Statement, { names }: Target, policies: readonly string[]): void {
    if (policies.length === 0) return
    const entry = this.noted.get(statement) ?? { name: names[0] ?? '', policies: new Set() }
    for (const policy of policies) entry.policies.add(policy)
    this.noted.set(statement, entry)
  }

  tell(report: Report): void {
    for (const [statement, { name, policies }] of this.noted) {
      const list = [...policies].join(', ')
      report.differs(statement, `requests of a route have the policies of its service; ${name} has others (${list})`)
    }
  }
}

function splitOf(target: Target | null, pools: readonly PoolDraft[]): Readonly<Record<string, number>> | null {
  if (pools.length === 1) return null
  if (target === null) return { [NOWHERE]: 100 }
  return target.split ?? { [target.pools[0]?.name ?? NOWHERE]: 100 }
}
