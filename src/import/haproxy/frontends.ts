import { ALWAYS, and, type Condition, type Conjunction } from '../conditions.ts'
import { tellOtherPolicies } from '../differences.ts'
import { ALWAYS as EVERYTHING, type Target } from '../draft.ts'
import { nameOf } from '../names.ts'
import type { Report } from '../report.ts'
import type { Rule } from '../rules.ts'
import { percentOf } from '../units.ts'
import type { Backends } from './backends.ts'
import { Acls } from './conditions.ts'
import type { Line } from './parse.ts'
import type { ProxySection } from './sections.ts'

const LOST = 'Cutover cannot say this condition; a route or a hook may (docs/traffic.md, docs/programming.md)'

/** Reads the decisions of a frontend: what it refuses, then where it sends requests. */
export function rulesOfFrontend(frontend: ProxySection, backends: Backends, report: Report): readonly Rule[] {
  const acls = new Acls(frontend, report)
  report.take(frontend.section.line)
  const refused = refusalsOf(frontend, acls, report)
  const shares: { readonly line: Line; readonly percent: number; readonly name: string }[] = []
  const sent = frontend.all('use_backend').flatMap((line): readonly Rule[] => {
    const [, name = ''] = line.words
    const percent = randomShare(line, acls)
    if (percent !== null) {
      shares.push({ line, percent, name })
      return []
    }
    const condition = acls.conditionOf(line)
    if (condition === null) report.leftOut(line, LOST)
    return (condition ?? []).flatMap((each) => {
      const target = targetOf(line, name, frontend, each.paths, backends, report)
      return target === null
        ? []
        : [...refusalsOfBackend(name, each, backends, report), ruleOf(line, each, target, name)]
    })
  })
  return [...refused, ...sent, ...defaultRule(frontend, shares, backends, report)]
}

function ruleOf(line: Line, { hosts, paths, match, except }: Conjunction, target: Target | null, name: string): Rule {
  return { hosts, paths, match, except, target, name: nameOf(name), statement: line }
}

function targetOf(
  line: Line,
  name: string,
  frontend: ProxySection,
  paths: readonly string[] | null,
  backends: Backends,
  report: Report,
): Target | null {
  const target = backends.target(name, frontend, paths)
  if (target === null)
    report.leftOut(
      line,
      name.includes('%[')
        ? 'the name of the backend is made at run time; write one rule for each'
        : `there is no backend ${name} in this file`,
    )
  return target
}

/** The percentage of `if { rand(100) lt 5 }`; null = another condition. */
function randomShare({ words }: Line, acls: Acls): number | null {
  const at = words.indexOf('if')
  const condition = at === -1 ? '' : acls.textOf(words.slice(at + 1))
  const [, range, operator, limit] = /^rand\((\d+)\) (?:-m int )?(lt|le) (\d+)$/.exec(condition) ?? []
  if (range === undefined || limit === undefined) return null
  return ((Number(limit) + (operator === 'le' ? 1 : 0)) * 100) / Number(range)
}

function defaultRule(
  frontend: ProxySection,
  shares: readonly { readonly line: Line; readonly percent: number; readonly name: string }[],
  backends: Backends,
  report: Report,
): readonly Rule[] {
  const line = frontend.one('default_backend')
  const name = line?.words[1] ?? (frontend.hasServers ? frontend.name : '')
  const statement = line ?? frontend.section.line
  const main = name === '' ? null : targetOf(statement, name, frontend, null, backends, report)
  const rule = (target: Target | null): Rule =>
    ruleOf(
      statement,
      { hosts: null, paths: null, match: null, except: { hosts: [], paths: [] } },
      target,
      name || 'rest',
    )
  if (main === null || main.pools[0]?.servers.length === 0) {
    for (const share of shares) report.leftOut(share.line, LOST)
    return name === '' || frontend.own('stats').length > 0 ? [] : [rule(null)]
  }
  let left = 100
  const weights = new Map<string, number>()
  const targets = shares.flatMap((share) => {
    const target = targetOf(share.line, share.name, frontend, null, backends, report)
    if (target === null) return []
    // Each rule gets its share of what the ones before it have left.
    weights.set(target.pools[0]?.name ?? '', (left * share.percent) / 100)
    left -= (left * share.percent) / 100
    tellOtherPolicies(share.line, main, target, report)
    return [target]
  })
  const refused = [name, ...shares.map((share) => share.name)].flatMap((each) =>
    refusalsOfBackend(each, ALWAYS[0] as Conjunction, backends, report),
  )
  if (targets.length === 0) return [...refused, rule(main)]
  weights.set(main.pools[0]?.name ?? '', left)
  const split = percentOf(weights)
  return [
    ...refused,
    rule({
      ...main,
      pools: [...main.pools, ...targets.flatMap(({ pools }) => pools)],
      ...(split === null ? {} : { split }),
    }),
  ]
}

function refusalsOf(proxy: ProxySection, acls: Acls, report: Report): readonly Rule[] {
  const lines = ['tcp-request', 'http-request', 'redirect'].flatMap((word) => proxy.look(word))
  return lines.flatMap((line) => refusals(line, acls, report))
}

/** What a backend refuses of the requests that a rule sends to it. */
function refusalsOfBackend(
  name: string,
  conjunction: Conjunction,
  backends: Backends,
  report: Report,
): readonly Rule[] {
  const backend = backends.section(name)
  // A listen has its own rules already.
  if (backend === null || backend.servesClients) return []
  return refusalsOf(backend, new Acls(backend, report), report).flatMap((rule) => {
    const { hosts, paths, match, except } = rule
    const inner = match === EVERYTHING ? null : match
    const both = and([conjunction], [{ hosts, paths, match: inner, except: except ?? { hosts: [], paths: [] } }])
    if (both === null) report.leftOut(rule.statement, `${LOST}. All requests of the backend are answered 503`)
    return (both ?? [conjunction]).map((each) => ({ ...rule, ...each, match: each.match ?? EVERYTHING }))
  })
}

/** Answers of HAProxy itself: Cutover sends such requests nowhere. */
function refusals(line: Line, acls: Acls, report: Report): readonly Rule[] {
  const [first, second = '', third = ''] = line.words
  const action = first === 'redirect' ? 'redirect' : first === 'tcp-request' ? third : second
  const make = (condition: Condition, name: string): Rule[] =>
    condition.map((each) => {
      // A condition of its own, so that what comes after it is still there.
      const isBroad = each.hosts === null && each.paths === null && each.match === null
      return ruleOf(line, isBroad ? { ...each, match: EVERYTHING } : each, null, name)
    })
  const condition = acls.conditionOf(line)
  if (['deny', 'tarpit', 'reject', 'silent-drop'].includes(action)) {
    if (condition === null) report.leftOut(line, `${LOST}. Requests that it refuses reach the servers`)
    else report.differs(line, 'Cutover answers these requests 503')
    return make(condition ?? [], 'denied')
  }
  if (action === 'auth') {
    report.leftOut(
      line,
      'Cutover has no passwords; the route "locked" answers 503 until a hook protects these paths (docs/programming.md, auth-by-header.ts): remove it then',
    )
    return make(condition ?? ALWAYS, 'locked')
  }
  if (action === 'redirect' || action === 'return') {
    const isToHttps = line.words.includes('https') && line.words.includes('scheme')
    if (isToHttps) report.leftOut(line, 'not imported: write redirectToHttps: true at the plain listener (docs/tls.md)')
    else if (condition === null) report.leftOut(line, LOST)
    else
      report.leftOut(
        line,
        'Cutover answers no requests itself, so these are answered 503; a hook answers (examples/hooks/rewriting.ts)',
      )
    return isToHttps ? [] : make(condition ?? [], action)
  }
  return []
}
