import { ALWAYS, and, atHosts, atPaths, type Condition, not, only } from '../conditions.ts'
import type { Match, ValueTest } from '../draft.ts'
import { prefixOf } from '../places.ts'
import { testsOf } from '../regexes.ts'

/** Reads a rule such as ``Host(`a`) && (PathPrefix(`/x`) || Method(`POST`))``; null = Cutover cannot say it. */
export function conditionOfRule(rule: string): Condition | null {
  const tokens = rule.match(/`[^`]*`|"(?:[^"\\]|\\.)*"|&&|\|\||[!(),]|\w+/g) ?? []
  const reader = new Reader(tokens)
  const condition = reader.alternatives()
  return reader.isAtEnd ? condition : null
}

class Reader {
  private at = 0
  private readonly tokens: readonly string[]

  constructor(tokens: readonly string[]) {
    this.tokens = tokens
  }

  get isAtEnd(): boolean {
    return this.at === this.tokens.length
  }

  alternatives(): Condition | null {
    let condition = this.conjunction()
    while (this.skip('||')) {
      const other = this.conjunction()
      condition = condition === null || other === null ? null : [...condition, ...other]
    }
    return condition
  }

  private conjunction(): Condition | null {
    let condition = this.unary()
    while (this.skip('&&')) {
      const other = this.unary()
      condition = condition === null || other === null ? null : and(condition, other)
    }
    return condition
  }

  private unary(): Condition | null {
    if (this.skip('!')) {
      const inner = this.unary()
      return inner === null ? null : not(inner)
    }
    if (this.skip('(')) {
      const inner = this.alternatives()
      return this.skip(')') ? inner : null
    }
    const name = this.tokens[this.at++] ?? ''
    if (!this.skip('(')) return null
    const values: string[] = []
    while (!this.isAtEnd && !this.skip(')')) {
      const token = this.tokens[this.at++] ?? ''
      if (token !== ',') values.push(token.replace(/^[`"]|[`"]$/g, ''))
    }
    return matcher(name, values)
  }

  private skip(token: string): boolean {
    if (this.tokens[this.at] !== token) return false
    this.at++
    return true
  }
}

function matcher(name: string, values: readonly string[]): Condition | null {
  const [first = '', second = ''] = values
  switch (name.toLowerCase()) {
    case 'host':
    case 'hostheader':
      return atHosts(values.map((value) => value.toLowerCase()))
    case 'hostregexp':
      return all(values.map(hostExpression))
    case 'path':
      return values.flatMap((path) => only({ path }))
    case 'pathprefix':
      return all(values.map(pathPrefix))
    case 'pathregexp':
      return all(values.map(pathExpression))
    case 'method':
      return only({ method: values.map((value) => value.toUpperCase()) })
    case 'header':
    case 'headers':
      return only({ header: { [first.toLowerCase()]: second } })
    case 'headerregexp':
    case 'headersregexp':
      return tests(second, (test) => ({ header: { [first.toLowerCase()]: test } }))
    case 'query':
      return queryTest(values)
    case 'clientip':
      return only({ ip: values })
    default:
      return null
  }
}

function all(conditions: readonly (Condition | null)[]): Condition | null {
  return conditions.every((condition) => condition !== null) ? conditions.flat() : null
}

function tests(expression: string, of: (test: ValueTest) => Match): Condition | null {
  return testsOf(expression)?.flatMap((test) => only(of(test))) ?? null
}

/** Paths of Traefik 2 may have names for parts in braces. */
function pathPrefix(path: string): Condition | null {
  const prefix = path.includes('{') ? null : prefixOf(path)
  if (prefix === null) return null
  return prefix === '/' ? ALWAYS : atPaths([prefix])
}

function pathExpression(expression: string): Condition | null {
  const found = testsOf(expression)
  if (found === null) return null
  return found.flatMap((test) => {
    const isPrefix = typeof test === 'object' && Object.keys(test).length === 1 && test.prefix !== undefined
    const prefix = isPrefix ? prefixOf(test.prefix ?? '') : null
    return prefix === null ? only({ path: test }) : atPaths([prefix])
  })
}

/** `^.+\.example\.com$`, and `{sub:[a-z]+}.example.com` of Traefik 2. */
function hostExpression(expression: string): Condition | null {
  const [, named] = /^\{[^}]*\}((?:\.[\w-]+)+)$/.exec(expression) ?? []
  const [, plain] = /^\^?(?:\(.*\)|\[.*\][+*]|\.[+*])((?:\\\.[\w-]+)+)\$?$/.exec(expression) ?? []
  const suffix = named ?? plain?.replaceAll('\\', '')
  return suffix === undefined ? null : atHosts([`*${suffix}`])
}

/** Traefik 3 has key and value, Traefik 2 `key=value`. */
function queryTest(values: readonly string[]): Condition | null {
  const [first = '', second] = values
  if (second !== undefined) return only({ query: { [first]: second } })
  const [key = '', value] = first.split(/=(.*)/s)
  return only({ query: { [key]: value ?? { present: true } } })
}
