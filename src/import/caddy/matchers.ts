import { ALWAYS, and, atHosts, atPaths, type Condition, not, only } from '../conditions.ts'
import type { ValueTest } from '../draft.ts'
import { prefixOf } from '../places.ts'
import { testsOf } from '../regexes.ts'
import type { Report } from '../report.ts'
import type { Segment } from './parse.ts'

/** Networks that `private_ranges` stands for. */
export const PRIVATE = ['192.168.0.0/16', '172.16.0.0/12', '10.0.0.0/8', '127.0.0.1/8', 'fd00::/8', '::1/128']

/** A directive without its matcher. */
export interface Matched {
  readonly segment: Segment
  /** null = Cutover cannot say it. */
  readonly condition: Condition | null
  /** The path of its matcher, by which Caddy sorts; empty = none. */
  readonly path: string
  readonly isNamed: boolean
  readonly args: readonly string[]
}

/** The named matchers of a site. */
export class Matchers {
  private readonly segments = new Map<string, Segment>()
  private readonly report: Report

  constructor(block: readonly Segment[], report: Report, outer?: Matchers) {
    this.report = report
    for (const [name, segment] of outer?.segments ?? []) this.segments.set(name, segment)
    for (const segment of block) if (segment.words[0]?.startsWith('@')) this.segments.set(segment.words[0], segment)
  }

  /** Takes the matcher off a directive: `*`, a path, or `@name`. */
  of(segment: Segment): Matched {
    const [, first = '', ...rest] = segment.words
    const make = (condition: Condition | null, path: string, args: readonly string[]): Matched => ({
      segment,
      condition,
      path,
      isNamed: first.startsWith('@'),
      args,
    })
    if (first === '*') return make(ALWAYS, '', rest)
    if (first.startsWith('/')) return make(pathCondition(first), first, rest)
    if (first.startsWith('@')) return make(this.named(first), '', rest)
    return make(ALWAYS, '', segment.words.slice(1))
  }

  private named(name: string): Condition | null {
    const segment = this.segments.get(name)
    if (segment === undefined) return null
    const { words, block } = segment
    const lines = block ?? [{ ...segment, words: words.slice(1) }]
    const condition = this.allOf(lines)
    if (condition !== null)
      this.report.take(segment, ...(block ?? []), ...(block ?? []).flatMap((each) => each.block ?? []))
    return condition
  }

  /** Lines of one kind are alternatives for path and host; all others must hold together. */
  private allOf(lines: readonly Segment[]): Condition | null {
    return lines.reduce<Condition | null>((sum, line) => {
      const one = this.one(line)
      return sum === null || one === null ? null : and(sum, one)
    }, ALWAYS)
  }

  private one({ words, block }: Segment): Condition | null {
    const [kind = '', ...values] = words
    const [name = '', ...more] = values
    switch (kind) {
      case 'path':
        return any(values.map(pathCondition))
      case 'host':
        return atHosts(values.map((value) => value.toLowerCase()))
      case 'method':
        return only({ method: values.map((value) => value.toUpperCase()) })
      case 'header':
        return any(
          (more.length === 0 ? ['*'] : more).map((value) =>
            only({
              header: {
                [name.toLowerCase().replace(/^!/, '')]: name.startsWith('!') ? { present: false } : globTest(value),
              },
            }),
          ),
        )
      case 'header_regexp':
        return (
          testsOf(values.at(-1) ?? '')?.flatMap((test) =>
            only({ header: { [(values.at(-2) ?? '').toLowerCase()]: test } }),
          ) ?? null
        )
      case 'path_regexp':
        return expressionOfPath(values.at(-1) ?? '')
      case 'query':
        return values.length === 1 ? queryCondition(name) : null
      case 'remote_ip':
      case 'client_ip':
        return only({
          ip: values
            .filter((value) => value !== 'forwarded')
            .flatMap((value) => (value === 'private_ranges' ? PRIVATE : [value])),
        })
      case 'not': {
        const inner = block === null ? this.allOf([{ ...wordsOf(values), block: null }]) : this.allOf(block)
        return inner === null ? null : not(inner)
      }
      default:
        return null
    }
  }
}

function wordsOf(words: readonly string[]): Segment {
  return { file: '', line: 0, text: words.join(' '), words, block: null }
}

function any(conditions: readonly (Condition | null)[]): Condition | null {
  return conditions.every((condition) => condition !== null) ? conditions.flat() : null
}

/** `/api/*`, `/x`, `*.php`; null = a star in the middle. */
export function pathCondition(pattern: string): Condition | null {
  const prefix = pattern.endsWith('*') ? prefixOf(pattern.slice(0, -1)) : null
  if (pattern === '*' || pattern === '/*') return ALWAYS
  if (prefix !== null) return prefix === '/' ? ALWAYS : atPaths([prefix])
  const test = globTest(pattern)
  return typeof test !== 'string' && test.contains?.includes('*') === true ? null : only({ path: test })
}

/** A text with stars at its ends. */
function globTest(pattern: string): ValueTest {
  const inner = pattern.replace(/^\*|\*$/g, '')
  if (inner === '') return { present: true }
  if (pattern.startsWith('*') && pattern.endsWith('*')) return { contains: inner }
  if (pattern.startsWith('*')) return { suffix: inner }
  return pattern.endsWith('*') ? { prefix: inner } : pattern
}

function expressionOfPath(expression: string): Condition | null {
  const tests = testsOf(expression)
  if (tests === null) return null
  return tests.flatMap((test) => {
    const isPrefix = typeof test === 'object' && Object.keys(test).length === 1 && test.prefix !== undefined
    const prefix = isPrefix ? prefixOf(test.prefix ?? '') : null
    return prefix === null ? only({ path: test }) : atPaths([prefix])
  })
}

function queryCondition(text: string): Condition {
  const [key = '', value = ''] = text.split(/=(.*)/s)
  return only({ query: { [key]: value === '*' ? { present: true } : value } })
}
