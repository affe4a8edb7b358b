import type { ValueTest } from './draft.ts'

/** Max number of texts that one expression may stand for. */
const MAX_TEXTS = 64
const ANY = '\u0000'
const BEGIN = '\u0001'
const END = '\u0002'
const BOUNDARY = '\u0003'
/** Ends of expressions that mean: the text ends here, or a new segment of the path begins. */
const BOUNDARIES = ['(/|$)', '(?:/|$)', '($|/)', '(?:$|/)', '(/.*)?$', '(?:/.*)?$', '(\\/|$)', '(?:\\/|$)', '(\\/.*)?$']

/**
 * The conditions of Cutover that are together equal to a regular expression: `\.(png|jpg)$` has two. null = there are none,
 * as for most expressions with quantifiers and classes.
 */
export function testsOf(expression: string): readonly ValueTest[] | null {
  const boundary = BOUNDARIES.find((each) => expression.endsWith(each))
  const body = boundary === undefined ? expression : expression.slice(0, -boundary.length)
  const reader = new Reader(body)
  const texts = reader.alternatives()
  if (texts === null || !reader.isAtEnd) return null
  const tests = texts.map((text) => testOf(boundary === undefined ? text : text + BOUNDARY))
  return tests.every((test) => test !== null) ? tests : null
}

function testOf(text: string): ValueTest | null {
  const isBegun = text.startsWith(BEGIN)
  const [last = ''] = text.slice(-1)
  const inner = text.slice(isBegun ? 1 : 0, last === END || last === BOUNDARY ? -1 : undefined)
  const parts = inner.split(ANY)
  if (parts.length > 3 || new RegExp(`[${BEGIN}${END}${BOUNDARY}]`).test(inner)) return null
  const [begin = '', ...rest] = isBegun ? parts : ['', ...parts.slice(parts[0] === '' && parts.length > 1 ? 1 : 0)]
  if (last === BOUNDARY) return isBegun && rest.length === 0 && begin !== '' ? { prefix: begin } : null
  if (isBegun && rest.length === 0 && last === END) return begin
  const end = last === END ? (rest.pop() ?? '') : ''
  const middle = rest.filter((part) => part !== '')
  const [contained] = middle
  if (middle.length > 1) return null
  const test = {
    ...(begin === '' ? {} : { prefix: begin }),
    ...(end === '' ? {} : { suffix: end }),
    ...(contained === undefined ? {} : { contains: contained }),
  }
  return Object.keys(test).length === 0 ? { present: true } : test
}

/** Reads an expression of literal texts, groups of alternatives, and `.*` into all texts that it stands for. */
class Reader {
  private at = 0
  private readonly source: string

  constructor(source: string) {
    this.source = source
  }

  get isAtEnd(): boolean {
    return this.at === this.source.length
  }

  alternatives(): readonly string[] | null {
    const all: string[] = []
    for (;;) {
      const texts = this.sequence()
      if (texts === null) return null
      all.push(...texts)
      if (this.source[this.at] !== '|') return all.length <= MAX_TEXTS ? all : null
      this.at++
    }
  }

  private sequence(): readonly string[] | null {
    let texts: readonly string[] = ['']
    while (!this.isAtEnd && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      const atoms = this.atom()
      if (atoms === null) return null
      texts = texts.flatMap((text) => atoms.map((atom) => text + atom))
      if (texts.length > MAX_TEXTS) return null
    }
    return texts
  }

  private atom(): readonly string[] | null {
    const char = this.source[this.at++] ?? ''
    if (char === '^') return [BEGIN]
    if (char === '$') return [END]
    if (char === '.') return this.any()
    if (char === '(') return this.optional(this.group())
    if (char === '\\') {
      const escaped = this.source[this.at++] ?? ''
      return /[A-Za-z0-9]/.test(escaped) || escaped === '' ? null : this.optional([escaped])
    }
    return /[[\]{}*+?]/.test(char) ? null : this.optional([char])
  }

  private group(): readonly string[] | null {
    const [lead] = /^\?(:|P?<\w+>)/.exec(this.source.slice(this.at)) ?? ['']
    this.at += lead.length
    const texts = this.alternatives()
    return this.source[this.at++] === ')' ? texts : null
  }

  private any(): readonly string[] | null {
    const quantifier = this.source[this.at]
    if (quantifier !== '*' && quantifier !== '+') return null
    this.at++
    return [ANY]
  }

  private optional(texts: readonly string[] | null): readonly string[] | null {
    const next = this.source[this.at] ?? ''
    if (texts === null || !'?*+{'.includes(next) || next === '') return texts
    if (next !== '?') return null
    this.at++
    return ['', ...texts]
  }
}
