import type { Match, ValueTest } from '../draft.ts'
import { both, negated } from '../matches.ts'
import { testsOf } from '../regexes.ts'
import type { Report } from '../report.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'

/** A condition on the host of a request, or on anything else of it. */
export interface Condition {
  readonly hosts: readonly string[] | null
  readonly match: Match | null
}

/** The values that a text with variables can have. */
export interface Outcome {
  /** Asked in order; the first that holds decides. */
  readonly rules: readonly (Condition & { readonly text: string; readonly directive: Directive })[]
  /** What holds otherwise, by shares in percent. */
  readonly shares: readonly { readonly percent: number; readonly text: string }[]
  readonly splitBy?: string
}

const MAX_DEPTH = 8

/** Knows the variables that `map`, `geo`, `split_clients` and `set` define. */
export class Variables {
  private readonly defined = new Map<string, Directive>()
  private readonly report: Report

  constructor(http: readonly Directive[], report: Report) {
    this.report = report
    for (const directive of http) {
      const { name, args } = directive
      if (!['map', 'geo', 'split_clients'].includes(name)) continue
      this.defined.set((args.at(-1) ?? '').replace(/^\$/, ''), directive)
    }
  }

  /** The values of a text in a scope; null = it has a variable whose values are not known here. */
  outcomeOf(text: string, scope: Scope, depth = 0): Outcome | null {
    const [, before = '', name, after = ''] = /^(.*?)\$\{?(\w+)\}?(.*)$/s.exec(text) ?? []
    if (name === undefined) return constant(text)
    if (depth > MAX_DEPTH) return null
    const outcome = this.outcomeOfVariable(name, scope, depth)
    if (outcome === null) return null
    return this.mapped(outcome, (value) => `${before}${value}${after}`, scope, depth)
  }

  private outcomeOfVariable(name: string, scope: Scope, depth: number): Outcome | null {
    const directive = this.defined.get(name)
    if (directive === undefined) return this.ofSet(name, scope, depth)
    this.report.take(directive, ...(directive.block ?? []))
    if (directive.name === 'split_clients') return this.ofSplit(directive)
    return this.ofMap(directive)
  }

  /** Resolves variables in the values of an outcome. Rules whose value is split cannot be said. */
  private mapped(outcome: Outcome, change: (value: string) => string, scope: Scope, depth: number): Outcome | null {
    const rules = outcome.rules.map((rule) => ({ rule, inner: this.outcomeOf(change(rule.text), scope, depth + 1) }))
    const shares = outcome.shares.map(({ percent, text }) => ({
      percent,
      inner: this.outcomeOf(change(text), scope, depth + 1),
    }))
    if ([...rules, ...shares].some(({ inner }) => inner === null)) return null
    const flat = rules.map(({ rule, inner }) => ({ ...rule, text: inner?.shares[0]?.text ?? '' }))
    const [first] = shares
    if (rules.some(({ inner }) => !isConstant(inner))) return null
    if (shares.length === 1 && first?.inner) return { ...first.inner, rules: [...flat, ...first.inner.rules] }
    if (shares.some(({ inner }) => !isConstant(inner))) return null
    return {
      ...outcome,
      rules: flat,
      shares: shares.map(({ percent, inner }) => ({ percent, text: inner?.shares[0]?.text ?? '' })),
    }
  }

  private ofSet(name: string, scope: Scope, depth: number): Outcome | null {
    const rules: Outcome['rules'][number][] = []
    for (const block of scope.blocks) {
      for (const directive of block.toReversed()) {
        const inner = directive.name === 'if' ? directive.block : [directive]
        const set = inner?.findLast((each) => each.name === 'set' && each.args[0] === `$${name}`)
        if (set === undefined) continue
        this.report.take(set)
        const text = set.args[1] ?? ''
        if (directive.name !== 'if') {
          const last = this.outcomeOf(text, scope, depth + 1)
          return last === null ? null : { ...last, rules: [...rules, ...last.rules] }
        }
        const conditions = this.conditionsOf(directive)
        if (conditions === null || text.includes('$')) return null
        this.report.take(directive)
        rules.push(...conditions.map((condition) => ({ ...condition, text, directive })))
      }
    }
    return null
  }

  private ofSplit(directive: Directive): Outcome {
    const { args, block } = directive
    const key = args[0] ?? ''
    const splitBy = splitByOf(key)
    const isPerRequest = /^\$\{?(request_id|msec|connection_requests|pid)\}?\w*$/.test(key)
    if ((key.match(/\$/g) ?? []).length > 1 || (splitBy === 'request' && !isPerRequest))
      this.report.differs(
        directive,
        `Cutover splits by request, cookie, ip, header:NAME or cookie:NAME; here by ${splitBy}`,
      )
    const entries = (block ?? []).map(({ name, args: [text = ''] }) => ({ percent: Number.parseFloat(name), text }))
    const given = entries.filter(({ percent }) => !Number.isNaN(percent))
    const rest = 100 - given.reduce((sum, { percent }) => sum + percent, 0)
    const shares = entries.map(({ percent, text }) => ({ percent: Number.isNaN(percent) ? rest : percent, text }))
    return { rules: [], shares, splitBy }
  }

  private ofMap(directive: Directive): Outcome | null {
    const { name: kind, args, block } = directive
    const source = kind === 'geo' && args.length === 1 ? '$remote_addr' : (args[0] ?? '')
    const rules: Outcome['rules'][number][] = []
    let fallback = ''
    const hasPatterns = block?.some(({ name }) => name === 'hostnames') === true
    // nginx asks exact values before expressions.
    const entries = (block ?? []).toSorted((a, b) => Number(a.name.startsWith('~')) - Number(b.name.startsWith('~')))
    for (const entry of entries) {
      const [text = ''] = entry.args
      if (entry.name === 'default') fallback = text
      else if (['hostnames', 'volatile', 'proxy', 'proxy_recursive', 'ranges', 'delete'].includes(entry.name)) continue
      else if (!hasPatterns && kind === 'map' && /^\$(http_)?host$/.test(source) && /^\*?\./.test(entry.name))
        this.report.notNeeded(entry, 'no host fits it: without "hostnames" nginx takes it literally')
      else {
        const conditions = this.testOf(source, entry.name.replace(/^\\/, ''), entry)
        if (conditions === null) this.report.leftOut(entry, `Cutover has no such condition on ${source}`)
        else rules.push(...conditions.map((condition) => ({ ...condition, text, directive: entry })))
      }
    }
    return { rules, shares: [{ percent: 100, text: fallback }] }
  }

  /** The conditions under which an `if` holds, one of them; null = they cannot be said. */
  conditionsOf({ args }: Directive): readonly Condition[] | null {
    const words = args.map((word, index) => (index === 0 ? word.replace(/^\(/, '') : word))
    const [variable = '', operator, ...rest] = words.filter((word) => word !== ')' && word !== '')
    const given = rest.join(' ').replace(/\)$/, '')
    const source = operator === undefined ? variable.replace(/\)$/, '') : variable
    if (operator === undefined) return this.testOf(source, { present: true })
    if (operator === '=') return this.testOf(source, given)
    if (operator === '!=') return not(this.testOf(source, given))
    if (operator === '~' || operator === '~*') return this.testOf(source, `${operator}${given}`)
    if (operator === '!~' || operator === '!~*') return not(this.testOf(source, `${operator.slice(1)}${given}`))
    return null
  }

  /** The conditions, one of which holds if a variable has a value; null = they cannot be said. */
  private testOf(source: string, wanted: string | ValueTest, directive?: Directive): readonly Condition[] | null {
    const variable = source.replace(/^\$\{?|\}$/g, '')
    const isExpression = typeof wanted === 'string' && wanted.startsWith('~')
    const tests = isExpression ? testsOf(wanted.replace(/^~\*?/, '')) : [wanted === '' ? { present: false } : wanted]
    if (tests === null) return null
    if (isExpression && wanted.startsWith('~*') && directive !== undefined && /[a-z]/i.test(wanted))
      this.report.differs(directive, 'Cutover compares upper and lower case; add the other spellings that occur')
    const conditions = tests.map((test) => conditionOn(variable, test))
    return conditions.every((each) => each !== null) ? conditions : null
  }
}

function constant(text: string): Outcome {
  return { rules: [], shares: [{ percent: 100, text }] }
}

function isConstant(outcome: Outcome | null): boolean {
  return outcome !== null && outcome.rules.length === 0 && outcome.shares.length === 1
}

function not(conditions: readonly Condition[] | null): readonly Condition[] | null {
  if (conditions === null || conditions.some(({ hosts }) => hosts !== null)) return null
  const matches = conditions.map(({ match }) => (match === null ? null : negated(match)))
  const [match = null, ...more] = matches
  const all = more.reduce<Match | null>((sum, each) => (sum === null || each === null ? null : both(sum, each)), match)
  return all === null ? null : [{ hosts: null, match: all }]
}

function conditionOn(variable: string, test: ValueTest): Condition | null {
  const [, kind, name = ''] = /^(http|cookie|arg)_(\w+)$/.exec(variable) ?? []
  const of = (match: Match): Condition => ({ hosts: null, match })
  if (variable === 'host' || variable === 'http_host') return hostCondition(test)
  if (kind === 'http') return of({ header: { [name.replaceAll('_', '-')]: test } })
  if (kind === 'cookie') return of({ cookie: { [name]: test } })
  if (kind === 'arg') return of({ query: { [name]: test } })
  if (['uri', 'request_uri', 'document_uri'].includes(variable)) return of({ path: test })
  if (variable === 'request_method' && typeof test === 'string') return of({ method: [test] })
  const isAddress = ['remote_addr', 'binary_remote_addr', 'realip_remote_addr'].includes(variable)
  return isAddress && typeof test === 'string' ? of({ ip: [test] }) : null
}

function hostCondition(test: ValueTest): Condition | null {
  const name = typeof test === 'string' ? test : `*${test.suffix ?? ''}`
  const isOnlySuffix = typeof test === 'string' || (Object.keys(test).length === 1 && test.suffix?.startsWith('.'))
  if (!isOnlySuffix || !/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(name.replace(/^\./, ''))) return null
  return { hosts: name.startsWith('.') ? [name.slice(1), `*${name}`] : [name.toLowerCase()], match: null }
}

/** `splitBy` for the key of split_clients: what of it belongs to a client. */
function splitByOf(key: string): string {
  const variables = [...key.matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name)
  const [first = '', ...more] = variables
  const [, kind, name = ''] = /^(http|cookie)_(\w+)$/.exec(first) ?? []
  if (more.length === 0 && kind === 'cookie') return `cookie:${name}`
  if (more.length === 0 && kind === 'http') return `header:${name.replaceAll('_', '-')}`
  const isOfClient = variables.every((each) => /^(binary_)?remote_addr$|^http_user_agent$/.test(each))
  return isOfClient && variables.some((each) => each.endsWith('remote_addr')) ? 'ip' : 'request'
}
