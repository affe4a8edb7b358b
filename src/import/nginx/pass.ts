import { tellOtherPolicies } from '../differences.ts'
import type { PoolDraft, Settings, Target } from '../draft.ts'
import { appOf, isVersionName, nameOf } from '../names.ts'
import { percentOf } from '../units.ts'
import type { Context } from './context.ts'
import { readFields } from './fields.ts'
import type { Directive } from './parse.ts'
import { readPolicies, readTls } from './policies.ts'
import type { Scope } from './scope.ts'
import { urlOf } from './upstreams.ts'
import type { Condition, Outcome } from './variables.ts'

/** Targets of a proxy_pass: those for conditions, and the one for all other requests. */
export interface Passed {
  readonly rules: readonly (Condition & { readonly target: Target; readonly directive: Directive })[]
  readonly target: Target
}

/** The place of a proxy_pass. */
export interface PassPlace {
  readonly scope: Scope
  /** The prefix of the location; null = it has none. */
  readonly prefix: string | null
  /** Names for services, after that of the upstream. */
  readonly names: readonly string[]
}

/** Reads a proxy_pass; null = it cannot be said, and has been reported. */
export function readPass(pass: Directive, place: PassPlace, context: Context): Passed | null {
  const { report, variables } = context
  const [, scheme = '', authority = '', path = ''] = /^(https?):\/\/([^/]+)(\/.*)?$/.exec(pass.args[0] ?? '') ?? []
  if ((scheme !== 'http' && scheme !== 'https') || authority.startsWith('unix:')) {
    const outcome = scheme === '' ? variables.outcomeOf(pass.args[0] ?? '', place.scope) : null
    const texts = outcome === null ? [] : [...outcome.rules, ...outcome.shares].map(({ text }) => text)
    const whole = texts.length > 0 && texts.every((text) => /^http:\/\/[^/$]+$/.test(text))
    if (outcome !== null && whole)
      return passedTo(pass, withoutScheme(outcome), 'http', place, { ...NO_CHANGE }, context)
    report.leftOut(pass, 'Cutover reaches servers by http:// or https://, host and port; its paths answer 503')
    return null
  }
  const outcome = variables.outcomeOf(authority, place.scope)
  if (outcome === null) {
    report.leftOut(
      pass,
      'what the variable in it can be is not in these files; name the pools in the result by hand. Its paths answer 503',
    )
    return null
  }
  return passedTo(pass, outcome, scheme, place, changeOf(pass, path, place, context), context)
}

const NO_CHANGE = { stripPrefix: false }

function withoutScheme(outcome: Outcome): Outcome {
  const cut = <T extends { readonly text: string }>(each: T): T => ({
    ...each,
    text: each.text.replace(/^http:\/\//, ''),
  })
  return { ...outcome, rules: outcome.rules.map(cut), shares: outcome.shares.map(cut) }
}

/** What becomes of the path: only a prefix can be cut off. */
function changeOf(
  pass: Directive,
  path: string,
  { scope, prefix }: PassPlace,
  { report }: Context,
): { stripPrefix: boolean } {
  const rewrites = scope.own('rewrite')
  let stripPrefix = false
  for (const rewrite of rewrites) {
    const [pattern = '', to = ''] = rewrite.args
    const literal = pattern
      .replace(/^\^/, '')
      .replace(/\/?\??(\/?\(\.[*+]\))\$?$/, '')
      .replaceAll('\\/', '/')
    if (prefix !== null && to === '/$1' && literal.replace(/\/$/, '') === prefix && rewrite.args[2] === 'break') {
      report.take(rewrite)
      stripPrefix = true
    } else
      report.leftOut(
        rewrite,
        'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
      )
  }
  if (path === '' || path.replace(/\/$/, '') === (prefix ?? '').replace(/\/$/, '') || path === '$request_uri')
    return { stripPrefix }
  if (path === '/' && prefix !== null) return { stripPrefix: prefix !== '/' }
  report.differs(
    pass,
    'Cutover changes no paths, apart from stripPrefix: servers get the path as it came, unless a hook changes it (r.setPath)',
  )
  return { stripPrefix }
}

function passedTo(
  pass: Directive,
  outcome: Outcome,
  scheme: 'http' | 'https',
  place: PassPlace,
  change: { readonly stripPrefix: boolean },
  context: Context,
): Passed | null {
  const { report } = context
  report.take(pass)
  const counts = [...outcome.shares, ...outcome.rules].map(({ text }) => context.upstream(text, scheme)?.count ?? 1)
  const [, poolVariable = null] = /^https?:\/\/\$\{?(\w+)\}?$/.exec(pass.args[0] ?? '') ?? []
  const common = { scheme, poolVariable, tries: Math.max(...counts) }
  const parts = outcome.shares.map(({ percent, text }) => ({ percent, part: partOf(text, common, place, context) }))
  const rules = outcome.rules.map((rule) => ({ rule, part: partOf(rule.text, common, place, context) }))
  const missing = [...parts, ...rules].find(({ part }) => part === null)
  const [first] = parts
  if (missing !== undefined || !first?.part) {
    report.leftOut(pass, 'one of its servers has no host and port; its paths answer 503')
    return null
  }
  const pools = parts.flatMap(({ part }) => (part === null ? [] : [part.pool]))
  const shares = new Map(parts.map(({ percent, part }) => [part?.pool.name ?? '', percent]))
  const split = percentOf(shares)
  const main = targetOf(first.part, place, change)
  for (const { part } of parts) if (part !== null) tellOtherPolicies(pass, main, targetOf(part, place, change), report)
  return {
    rules: rules.flatMap(({ rule, part }) => {
      if (part === null) return []
      return [{ ...rule, target: targetOf(part, place, change) }]
    }),
    target: {
      ...main,
      pools,
      ...(pools.length > 1 && split !== null ? { split } : {}),
      settings: {
        ...(outcome.splitBy === undefined || outcome.splitBy === 'request' ? {} : { splitBy: outcome.splitBy }),
        ...main.settings,
      },
    },
  }
}

interface Part {
  readonly pool: PoolDraft
  readonly settings: Settings
}

/** What all servers of a proxy_pass have in common. */
interface Common {
  readonly scheme: 'http' | 'https'
  readonly poolVariable: string | null
  /** How many servers nginx tries. */
  readonly tries: number
}

/** The servers behind an authority: an upstream, or one server. */
function partOf(authority: string, common: Common, place: PassPlace, context: Context): Part | null {
  const { scheme, poolVariable, tries } = common
  const { report } = context
  const upstream = context.upstream(authority, scheme)
  const tls = scheme === 'https' ? { tls: readTls(place.scope, report) } : {}
  const policies = {
    ...readPolicies(place.scope, tries, report),
    ...readFields(place.scope, { hostOfTarget: authority, poolVariable }, report),
  }
  if (upstream !== null) {
    const servers = upstream.pool.servers.map((server) => ({ ...server, ...tls }))
    return { pool: { ...upstream.pool, servers }, settings: { ...upstream.settings, ...policies } }
  }
  const url = urlOf(authority, scheme)
  if (url === null) return null
  const { hostname, port } = new URL(url)
  const host = /^[\d.]+$|^\[/.test(hostname) || hostname === 'localhost' ? `${hostname}-${port || '80'}` : hostname
  return {
    pool: { name: 'main', servers: [{ name: nameOf(host), url, ...tls }] },
    settings: { balance: 'roundRobin', ...policies },
  }
}

function targetOf({ pool, settings }: Part, { names }: PassPlace, { stripPrefix }: { stripPrefix: boolean }): Target {
  const ofPool = isVersionName(pool.name) || pool.name === 'main' ? [] : [appOf(pool.name) ?? pool.name]
  return { names: [...ofPool, ...names], pools: [pool], settings, ...(stripPrefix ? { stripPrefix } : {}) }
}
