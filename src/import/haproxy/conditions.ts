import { ALWAYS, and, atHosts, atPaths, type Condition, NEVER, not, only } from '../conditions.ts'
import type { Match, ValueTest } from '../draft.ts'
import { prefixOf } from '../places.ts'
import { testsOf } from '../regexes.ts'
import type { Report } from '../report.ts'
import type { Line } from './parse.ts'
import type { ProxySection } from './sections.ts'

/** Reads the ACLs of a section, and the conditions made of them. */
export class Acls {
  private readonly lines: readonly Line[]
  private readonly report: Report

  constructor(proxy: ProxySection, report: Report) {
    this.lines = proxy.look('acl')
    this.report = report
  }

  /** The condition behind `if` or `unless` at the end of a line; null = Cutover cannot say it. */
  conditionOf(line: Line): Condition | null {
    const at = line.words.findIndex((word) => word === 'if' || word === 'unless')
    if (at === -1) return ALWAYS
    const condition = this.read(line.words.slice(at + 1))
    return condition === null || line.words[at] === 'if' ? condition : not(condition)
  }

  /** The text of a condition that is one test, with its ACL written out and counted as taken. */
  textOf(words: readonly string[]): string {
    if (words[0] === '{') return words.slice(1, words.indexOf('}')).join(' ')
    const lines = this.lines.filter((line) => line.words[1] === words[0])
    const [first] = lines
    if (lines.length !== 1 || words.length !== 1 || first === undefined) return ''
    const text = first.words.slice(2).join(' ')
    if (text.startsWith('rand(')) this.report.take(first)
    return text
  }

  private read(words: readonly string[]): Condition | null {
    const terms = splitAt(words, (word) => word === 'or' || word === '||').map((term) => this.readTerm(term))
    return terms.every((term) => term !== null) ? terms.flat() : null
  }

  private readTerm(words: readonly string[]): Condition | null {
    let condition: Condition | null = ALWAYS
    for (let at = 0; at < words.length && condition !== null; at++) {
      let word = words[at] ?? ''
      const isNegated = word.startsWith('!')
      if (isNegated) word = word.slice(1) || (words[++at] ?? '')
      let test: Condition | null
      if (word === '{') {
        const end = words.indexOf('}', at)
        test = this.readTest(words.slice(at + 1, end === -1 ? undefined : end))
        at = end === -1 ? words.length : end
      } else test = this.readName(word)
      if (test !== null && isNegated) test = not(test)
      condition = test === null ? null : and(condition, test)
    }
    return condition
  }

  private readName(name: string): Condition | null {
    if (name === 'TRUE') return ALWAYS
    if (name === 'FALSE') return NEVER
    const predefined: Readonly<Record<string, string>> = {
      METH_GET: 'method GET HEAD',
      METH_POST: 'method POST',
      METH_PUT: 'method PUT',
      METH_DELETE: 'method DELETE',
      METH_OPTIONS: 'method OPTIONS',
      METH_HEAD: 'method HEAD',
      LOCALHOST: 'src 127.0.0.0/8 ::1',
    }
    const usual = predefined[name]
    if (usual !== undefined) return this.readTest(usual.split(' '))
    const lines = this.lines.filter(({ words }) => words[1] === name)
    if (lines.length === 0) return null
    const tests = lines.map(({ words }) => this.readTest(words.slice(2)))
    if (!tests.every((test) => test !== null)) return null
    this.report.take(...lines)
    return tests.flat()
  }

  /** Reads `path_beg -i /api /auth` and the like. */
  private readTest(words: readonly string[]): Condition | null {
    const [fetch = '', ...rest] = words
    const [sample = '', ...converters] = fetch.split(',')
    if (converters.some((each) => each !== 'lower')) return null
    let method = ''
    const values: string[] = []
    for (let at = 0; at < rest.length; at++) {
      const word = rest[at] ?? ''
      if (word === '-m') method = rest[++at] ?? ''
      else if (word === '-f' || word === '-M' || word === '-u') return null
      else if (word === '--') {
        values.push(...rest.slice(at + 1))
        break
      } else if (word !== '-i' && word !== '-n') values.push(word)
    }
    const [, name = '', argument = ''] = /^([\w.]+?)(?:\((.*)\))?$/.exec(sample) ?? []
    return testOf(name, argument, method, values)
  }
}

const MATCHERS: Readonly<Record<string, string>> = {
  beg: 'beg',
  end: 'end',
  sub: 'sub',
  reg: 'reg',
  dir: 'dir',
  dom: 'dom',
  str: 'str',
  found: 'found',
}

function testOf(fetch: string, argument: string, flag: string, values: readonly string[]): Condition | null {
  const [, base = '', suffix = ''] = /^(.*?)(?:_(beg|end|sub|reg|dir|dom|str))?$/.exec(fetch) ?? []
  const method = MATCHERS[flag || suffix || (values.length === 0 ? 'found' : 'str')]
  if (method === undefined) return null
  const name = base.replace(/^req\./, '')
  const [field = ''] = argument.split(',')
  if (name === 'hdr' || name === 'fhdr') {
    if (field.toLowerCase() === 'host') return any(values.map((value) => hostTest(method, value.toLowerCase())))
    return valueTests(method, values, (test) => ({ header: { [field.toLowerCase()]: test } }))
  }
  if (name === 'path' || name === 'url' || name === 'base' || name === 'pathq')
    return name === 'base' ? null : any(values.map((value) => pathTest(method, value)))
  if (name === 'cook' || name === 'cookie') return valueTests(method, values, (test) => ({ cookie: { [field]: test } }))
  if (name === 'urlp' || name === 'url_param')
    return valueTests(method, values, (test) => ({ query: { [field]: test } }))
  if (name === 'method' && method === 'str') return only({ method: values.map((value) => value.toUpperCase()) })
  if (name === 'src' && (method === 'str' || flag === 'ip')) return only({ ip: values })
  if (/^(always_true)$/.test(name)) return ALWAYS
  return name === 'always_false' ? NEVER : null
}

function any(tests: readonly (Condition | null)[]): Condition | null {
  return tests.length > 0 && tests.every((test) => test !== null) ? tests.flat() : null
}

function valueTests(method: string, values: readonly string[], of: (test: ValueTest) => Match): Condition | null {
  if (method === 'found') return only(of({ present: true }))
  const tests = values.map((value) => testsBy(method, value))
  return tests.length > 0 && tests.every((test) => test !== null)
    ? tests.flat().flatMap((test) => only(of(test)))
    : null
}

function testsBy(method: string, value: string): readonly ValueTest[] | null {
  switch (method) {
    case 'str':
      return [value]
    case 'beg':
      return [{ prefix: value }]
    case 'end':
      return [{ suffix: value }]
    case 'sub':
      return [{ contains: value }]
    case 'reg':
      return testsOf(value)
    default:
      return null
  }
}

function pathTest(method: string, value: string): Condition | null {
  if (method === 'dir') return only({ path: { contains: `/${value.replace(/^\/|\/$/g, '')}/` } })
  const tests = testsBy(method, value)
  return (
    tests?.flatMap((test) => {
      const prefix =
        typeof test === 'object' && test.prefix !== undefined && Object.keys(test).length === 1
          ? prefixOf(test.prefix)
          : null
      return prefix === null ? only({ path: test }) : atPaths([prefix])
    }) ?? null
  )
}

function hostTest(method: string, value: string): Condition | null {
  const of = (...hosts: string[]): Condition => atHosts(hosts)
  const name = value.replace(/:\d+$/, '')
  if (!/^\.?[\w-]+(\.[\w-]+)*$/.test(name)) {
    const tests = method === 'reg' ? testsOf(value) : null
    const suffixes = tests?.map((test) =>
      typeof test === 'object' && test.suffix?.startsWith('.') && Object.keys(test).length === 1 ? test.suffix : null,
    )
    return suffixes?.every((suffix) => suffix) === true ? of(...suffixes.map((suffix) => `*${suffix}`)) : null
  }
  if (method === 'str') return of(name)
  if (method === 'dom') return of(name, `*.${name}`)
  if (method === 'end' && name.startsWith('.')) return of(`*${name}`)
  if (method === 'end') return of(name, `*.${name}`)
  // The whole name with or without a port.
  return method === 'beg' && name.includes('.') && !name.endsWith('.') ? of(name) : null
}

function splitAt(words: readonly string[], isSeparator: (word: string) => boolean): readonly (readonly string[])[] {
  const parts: string[][] = [[]]
  for (const word of words) {
    if (isSeparator(word)) parts.push([])
    else parts.at(-1)?.push(word)
  }
  return parts
}
