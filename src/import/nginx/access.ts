import { ALWAYS, type Match } from '../draft.ts'
import type { Report } from '../report.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'

/** Conditions under which requests are refused before anything else. */
export interface Refusal {
  readonly name: string
  readonly match: Match
  readonly directive: Directive
}

/** Directives that keep requests out, and for which Cutover has nothing. */
const LOCKS: Readonly<Record<string, string>> = {
  auth_basic: 'Cutover has no passwords',
  auth_request: 'Cutover asks no other server whether a request may pass',
  auth_jwt: 'Cutover checks no tokens',
}

/** What a location refuses: by address, or because its protection cannot be taken over. */
export function refusalsOf(scope: Scope, report: Report): readonly Refusal[] {
  const locks = Object.entries(LOCKS).flatMap(([name, reason]): Refusal[] => {
    const directive = scope.one(name)
    if (directive === undefined) return []
    if (directive.args[0] === 'off') {
      report.take(directive)
      return []
    }
    report.leftOut(
      directive,
      `${reason}; the route "locked" answers 503 until a hook protects these paths (docs/programming.md, auth-by-header.ts): remove it then`,
    )
    return [{ name: 'locked', match: ALWAYS, directive }]
  })
  const rules = nearestAccess(scope)
  return [...locks, ...methodRefusal(scope, report), ...addressRefusal(rules, report)]
}

/** `limit_except GET { deny all; }`. */
function methodRefusal(scope: Scope, report: Report): readonly Refusal[] {
  return scope.own('limit_except').map((directive) => {
    const { args, block } = directive
    report.take(directive, ...(block ?? []))
    report.differs(directive, 'Cutover answers other methods 503 instead of 403')
    const exceptions = (block ?? []).filter(({ name }) => name !== 'deny')
    for (const each of exceptions) report.leftOut(each, 'other methods are refused without exceptions')
    const method = args.includes('GET') ? [...new Set([...args, 'HEAD'])] : args
    return { name: 'denied', match: { not: { method } }, directive }
  })
}

/** allow and deny of the nearest block that has any. */
function nearestAccess({ blocks }: Scope): readonly Directive[] {
  for (const block of blocks) {
    const found = block.filter(({ name }) => name === 'allow' || name === 'deny')
    if (found.length > 0) return found
  }
  return []
}

function addressRefusal(rules: readonly Directive[], report: Report): readonly Refusal[] {
  const [first] = rules
  if (first === undefined) return []
  const allowed: string[] = []
  const denied: string[] = []
  for (const directive of rules) {
    const [address = ''] = directive.args
    report.take(directive)
    if (address === 'all') {
      if (directive.name === 'allow') break
      report.differs(directive, 'Cutover answers 503 instead of 403')
      if (allowed.length === 0) return [{ name: 'denied', match: ALWAYS, directive }]
      const inner = denied.map((ip): Refusal => ({ name: 'denied', match: { ip: [ip] }, directive }))
      return [...inner, { name: 'denied', match: { not: { ip: allowed } }, directive }]
    }
    if (address.startsWith('unix')) report.leftOut(directive, 'peers at socket files have no address in Cutover')
    else if (directive.name === 'allow') allowed.push(address)
    else denied.push(address)
  }
  if (denied.length === 0) return []
  report.differs(first, 'Cutover answers 503 instead of 403')
  if (allowed.length > 0)
    report.differs(
      first,
      'allow and deny without "deny all" become one route: what is allowed passes, then what is denied does not',
    )
  return [
    {
      name: 'denied',
      match: { ip: denied, ...(allowed.length === 0 ? {} : { not: { ip: allowed } }) },
      directive: first,
    },
  ]
}
