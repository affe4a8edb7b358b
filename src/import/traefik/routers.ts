import { ALWAYS, type Condition } from '../conditions.ts'
import type { FieldEdits, Settings, Target } from '../draft.ts'
import { nameOf } from '../names.ts'
import type { Report } from '../report.ts'
import type { Rule } from '../rules.ts'
import { Middlewares } from './middlewares.ts'
import { conditionOfRule } from './rule.ts'
import { Services } from './services.ts'
import type { Tree } from './tree.ts'

/** What the routers come to. */
export interface Routed {
  readonly rules: readonly Rule[]
  /** Max sizes of bodies that middlewares set. */
  readonly bodyBytes: readonly number[]
  /** Whether a router expects that TLS is ended in front of it. */
  readonly hasTls: boolean
}

interface Router {
  readonly name: string
  readonly tree: Tree
  readonly rule: string
  readonly priority: number
  readonly isTls: boolean
}

/**
 * Reads `http.routers`: those of high priority, by default with long rules, come first. `common`: middlewares of the entry
 * points, which hold for all of them.
 */
export function readRouters(http: Tree, common: readonly string[], report: Report): Routed {
  const services = new Services(http, report)
  const middlewares = new Middlewares(http, report)
  const routers = (http.at('routers')?.entries ?? []).map(([name, tree]) => routerOf(name, tree, report))
  routers.sort((a, b) => b.priority - a.priority)
  const bodyBytes: number[] = []
  const rules = routers.flatMap((router) => {
    const applied = middlewares.apply([...common, ...router.tree.list(report, 'middlewares')], router.tree.statement)
    if (applied.bodyBytes !== null) bodyBytes.push(applied.bodyBytes)
    const hasTwin = routers.some((other) => other !== router && other.isTls && other.rule === router.rule)
    if (applied.redirectsToHttps && hasTwin) {
      router.tree.text(report, 'service')
      return []
    }
    return rulesOf(router, applied, services, report)
  })
  return { rules, bodyBytes, hasTls: routers.some(({ isTls }) => isTls) }
}

function routerOf(name: string, tree: Tree, report: Report): Router {
  const rule = tree.text(report, 'rule') ?? ''
  const tls = tree.at('tls')
  const isTls = tls !== null && tls.text(report) !== 'false'
  if (tls !== null) {
    for (const leaf of tls.leaves)
      report.leftOut(leaf, 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)')
  }
  const syntax = tree.at('ruleSyntax')
  if (syntax !== null) report.notNeeded(syntax.statement, 'both syntaxes are read')
  for (const leaf of tree.at('entryPoints')?.leaves ?? [])
    report.notNeeded(leaf, 'services of Cutover answer at every address that it listens on')
  const priority = Number(tree.text(report, 'priority') ?? 0)
  return { name, tree, rule, isTls, priority: priority > 0 ? priority : rule.length }
}

function rulesOf(
  { name, tree, rule }: Router,
  { settings, strips, refused }: ReturnType<Middlewares['apply']>,
  services: Services,
  report: Report,
): readonly Rule[] {
  const ruleTree = tree.at('rule')
  const statement = ruleTree?.statement ?? tree.statement
  const condition: Condition | null = rule === '' ? ALWAYS : conditionOfRule(rule)
  if (condition === null) {
    report.leftOut(
      statement,
      'Cutover cannot say this rule; a route or a hook may (docs/traffic.md, docs/programming.md)',
    )
    tree.text(report, 'service')
    return []
  }
  const service = tree.text(report, 'service') ?? services.onlyName ?? name
  const isInternal = service.endsWith('@internal')
  const found = isInternal ? null : services.target(service)
  if (isInternal)
    report.leftOut(tree.at('service')?.statement ?? statement, 'it is a part of Traefik; see the admin API of Cutover')
  else if (found === null)
    report.leftOut(statement, `there is no service ${service} in this file; its requests are answered 503`)
  const target =
    found === null
      ? null
      : { ...found, names: [...found.names, nameOf(name)], settings: withFields(found.settings, settings) }
  return condition.flatMap((conjunction) => {
    const make = (rest: Pick<Rule, 'match' | 'target' | 'name'>): Rule => ({ ...conjunction, statement, ...rest })
    const refusals = refused.flatMap((each): Rule[] => {
      if (conjunction.match === null) return [make({ match: each.match, target: null, name: each.name })]
      const isWhole = each.name === 'locked'
      if (!isWhole)
        report.leftOut(
          each.statement,
          'Cutover cannot combine it with the conditions of its router; its requests are answered 503',
        )
      return [make({ match: conjunction.match, target: null, name: each.name })]
    })
    return [
      ...refusals,
      make({
        match: conjunction.match,
        target: stripped(target, conjunction.paths, strips, statement, report),
        name: nameOf(name),
      }),
    ]
  })
}

function stripped(
  target: Target | null,
  paths: readonly string[] | null,
  strips: readonly string[],
  statement: Rule['statement'],
  report: Report,
): Target | null {
  if (target === null || strips.length === 0) return target
  if (paths?.length === 1 && strips.includes(paths[0] ?? '')) return { ...target, stripPrefix: true }
  report.differs(
    statement,
    `stripPrefix of Cutover cuts off the prefix by which a service is found; here servers get ${strips.join(', ')} as well`,
  )
  return target
}

function withFields(of: Settings, more: Settings): Settings {
  const merged = (a: FieldEdits | undefined, b: FieldEdits | undefined): FieldEdits | undefined => {
    if (a === undefined || b === undefined) return a ?? b
    const remove = [...(a.remove ?? []), ...(b.remove ?? [])]
    return { set: { ...a.set, ...b.set }, ...(remove.length === 0 ? {} : { remove }) }
  }
  const request = merged(of.headers?.request, more.headers?.request)
  const response = merged(of.headers?.response, more.headers?.response)
  const headers = { ...(request === undefined ? {} : { request }), ...(response === undefined ? {} : { response }) }
  return { ...of, ...more, ...(Object.keys(headers).length === 0 ? {} : { headers }) }
}
