import type { Match, Target } from '../draft.ts'
import { both } from '../matches.ts'
import { nameOf } from '../names.ts'
import { prefixOf } from '../places.ts'
import { testsOf } from '../regexes.ts'
import type { Rule } from '../rules.ts'
import { refusalsOf } from './access.ts'
import { answersOfIf } from './answers.ts'
import type { Context } from './context.ts'
import type { Directive } from './parse.ts'
import { readPass } from './pass.ts'
import type { Scope } from './scope.ts'

/** Where the rules of a location hold. */
interface Region {
  readonly paths: readonly string[] | null
  /** One of these must hold; null = nothing more. */
  readonly matches: readonly Match[] | null
  readonly name: string
}

export interface ServerPlace {
  readonly hosts: readonly string[] | null
  readonly scope: Scope
  /** Names for services. */
  readonly names: readonly string[]
}

/** Rules of the locations of a server, in the order in which nginx asks them. */
export function rulesOfLocations(server: ServerPlace, context: Context): readonly Rule[] {
  const ranked = flatten(server.scope.blocks[0] ?? [], server.scope).map((each, index) => ({ ...each, index }))
  ranked.sort(
    (a, b) =>
      rankOf(a.directive) - rankOf(b.directive) || lengthOf(b.directive) - lengthOf(a.directive) || a.index - b.index,
  )
  const named = new Map(
    ranked.flatMap(({ directive, scope }) => {
      const [name = ''] = directive.args
      return name.startsWith('@') ? [[name, { directive, scope }] as const] : []
    }),
  )
  return ranked.flatMap((located) => rulesOfLocation(located, named, server, context))
}

interface Located {
  readonly directive: Directive
  readonly scope: Scope
}

/** Locations, and those within them. */
function flatten(block: readonly Directive[], scope: Scope): readonly Located[] {
  return block.flatMap((directive) => {
    if (directive.name !== 'location' || directive.block === null) return []
    const inside = scope.inside(directive.block)
    return [{ directive, scope: inside }, ...flatten(directive.block, inside)]
  })
}

/** Exact paths come first, then `^~`, expressions in their order, and prefixes, of which the longest wins. */
function rankOf({ args }: Directive): number {
  const rank = ['=', '^~', '~', '~*'].indexOf(args[0] ?? '')
  return rank === -1 ? 3 : Math.min(rank, 2)
}

function lengthOf(directive: Directive): number {
  return rankOf(directive) === 2 ? 0 : (directive.args.at(-1) ?? '').length
}

function rulesOfLocation(
  { directive, scope: own }: Located,
  named: ReadonlyMap<string, Located>,
  server: ServerPlace,
  context: Context,
): readonly Rule[] {
  const { report } = context
  const scope = behindFiles(own, named, context)
  const region = regionOf(directive, context)
  if (region === null) return []
  report.take(directive)
  const answers = scope.own('return').length > 0
  const pass = answers ? undefined : scope.own('proxy_pass').at(-1)
  const inner = (directive.block ?? []).some(({ name }) => name === 'location')
  const isInternal = scope.own('internal').length > 0
  if (isInternal) {
    for (const each of scope.own('internal')) report.notNeeded(each, 'clients never reach this location')
  }
  // A location that only holds others decides nothing that its server would not.
  if (
    pass === undefined &&
    inner &&
    (directive.block ?? []).every(({ name }) => name === 'location' || !DECIDES.has(name))
  )
    return []
  const make = (
    match: Match | null,
    target: Target | null,
    name: string,
    by: Directive,
    hosts = server.hosts,
  ): Rule[] => {
    const matches = region.matches === null ? [match] : region.matches.map((each) => both(each, match))
    return matches.flatMap((each, index): Rule[] => {
      const ofRegion = region.matches?.[index] ?? null
      const isLost = each === null && (match !== null || ofRegion !== null)
      if (isLost) report.leftOut(by, 'Cutover cannot combine this condition with the one of its location')
      // What cannot be said of a refusal must not let requests in.
      if (isLost && target !== null) return []
      return [{ hosts, paths: region.paths, match: isLost ? ofRegion : each, target, name, statement: by }]
    })
  }
  if (pass === undefined || isInternal) return make(null, null, region.name, directive)
  const prefix = region.matches === null ? (region.paths?.[0] ?? null) : null
  const names = [...server.names, ...(prefix === null || prefix === '/' ? [] : [nameOf(prefix)])]
  const place = { scope, prefix, names: prefix === null || prefix === '/' ? names : names.toReversed() }
  const refusals = [
    ...refusalsOf(scope, report).flatMap(({ name, match, directive: by }) => make(match, null, name, by)),
    ...answersOfIf(scope, context).flatMap(({ hosts, match, directive: by }) =>
      make(match, null, 'answered', by, hosts === null ? server.hosts : hostsWithin(hosts, server.hosts)),
    ),
  ]
  const conditional = scope.own('if').flatMap((each) => {
    const innerPass = each.block?.find(({ name }) => name === 'proxy_pass')
    const conditions = innerPass === undefined ? null : context.variables.conditionsOf(each)
    if (innerPass === undefined || conditions === null) return []
    const passed = readPass(innerPass, place, context)
    if (passed === null) return []
    report.take(each)
    return conditions.flatMap(({ match }) => make(match, passed.target, passed.target.pools[0]?.name ?? 'if', each))
  })
  const passed = readPass(pass, place, context)
  if (passed === null) return [...refusals, ...conditional, ...make(null, null, region.name, pass)]
  const rules = passed.rules.flatMap(({ hosts, match, target, directive: by }) => {
    const name = target.pools[0]?.name ?? region.name
    return hosts === null
      ? make(match, target, name, by)
      : make(match, target, name, by, hostsWithin(hosts, server.hosts))
  })
  return [...refusals, ...conditional, ...rules, ...make(null, passed.target, region.name, directive)]
}

/** The scope of a location whose requests go on to a named one: `try_files $uri @app`. */
function behindFiles(scope: Scope, named: ReadonlyMap<string, Located>, { report }: Context): Scope {
  const files = scope.own('try_files').at(-1)
  const located = named.get(files?.args.at(-1) ?? '')
  if (files === undefined || located === undefined || scope.own('proxy_pass').length > 0) return scope
  report.differs(files, `Cutover serves no files: all of these requests go to ${located.directive.args[0]}`)
  report.take(located.directive)
  const [block = []] = located.scope.blocks
  return scope.inside([...block, ...scope.own('allow'), ...scope.own('deny')])
}

/** Directives by which a location answers requests itself. */
const DECIDES: ReadonlySet<string> = new Set([
  'return',
  'root',
  'alias',
  'try_files',
  'fastcgi_pass',
  'uwsgi_pass',
  'grpc_pass',
  'deny',
  'internal',
  'rewrite',
  'stub_status',
])

/** Those of the hosts that are among the allowed ones. */
export function hostsWithin(hosts: readonly string[], allowed: readonly string[] | null): readonly string[] {
  return allowed === null
    ? hosts
    : hosts.filter((host) => allowed.some((each) => each === host || host.endsWith(each.replace(/^\*/, ''))))
}

function regionOf(directive: Directive, { report }: Context): Region | null {
  const [kind = '', path = kind] = directive.args
  const name = nameOf(path.replace(/^\^/, ''), 'root')
  if (kind.startsWith('@')) {
    // Others send their requests to it, or nobody does.
    return null
  }
  if (kind === '=') return { paths: null, matches: [{ path }], name }
  if (kind === '~' || kind === '~*') {
    const tests = testsOf(path)
    if (tests === null) {
      report.leftOut(
        directive,
        'Cutover has no regular expressions; its requests go where the longest prefix says. Write them as paths or routes',
      )
      for (const inner of directive.block ?? []) report.leftOut(inner, 'its location is left out')
      return null
    }
    if (kind === '~*' && /[a-z]/i.test(path)) report.differs(directive, 'Cutover compares upper and lower case')
    const prefixes = tests.map((test) =>
      typeof test === 'object' && Object.keys(test).length === 1 && test.prefix !== undefined
        ? prefixOf(test.prefix)
        : null,
    )
    if (prefixes.every((prefix) => prefix !== null)) return { paths: prefixes, matches: null, name }
    return { paths: null, matches: tests.map((test) => ({ path: test })), name }
  }
  const prefix = prefixOf(path)
  if (prefix !== null) return { paths: [prefix], matches: null, name }
  report.leftOut(directive, `${path} cannot be a path in Cutover`)
  return null
}
