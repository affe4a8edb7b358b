import type { Place, Statement } from '../report.ts'
import { Unreadable } from '../unreadable.ts'

/** A directive with its arguments and, if it has one, its block. */
export interface Directive extends Statement {
  readonly name: string
  readonly args: readonly string[]
  readonly block: readonly Directive[] | null
}

interface Token extends Place {
  readonly text: string
  /** A word, or one of `{`, `}` and `;`. */
  readonly isWord: boolean
}

/** Reads the directives of a file. Throws Unreadable. */
export function parseNginx(file: string, text: string): readonly Directive[] {
  const tokens = tokensOf(file, text)
  return readBlock(tokens, file, null)
}

/** Reads directives up to the end of the block that `opened`, or of the file. */
function readBlock(tokens: Token[], file: string, opened: Token | null): Directive[] {
  const directives: Directive[] = []
  for (;;) {
    const first = tokens.shift()
    if (first === undefined) {
      if (opened === null) return directives
      throw new Unreadable(opened, 'the block that begins here has no end; is the file complete?')
    }
    if (first.isWord) directives.push(readDirective(tokens, file, first))
    else if (first.text === '}' && opened !== null) return directives
    else if (first.text !== ';')
      throw new Unreadable(first, `unexpected "${first.text}"; is this an nginx configuration?`)
  }
}

function readDirective(tokens: Token[], file: string, first: Token): Directive {
  const words = [first]
  while (tokens[0]?.isWord === true) words.push(tokens.shift() as Token)
  const end = tokens.shift()
  if (end === undefined || end.text === '}')
    throw new Unreadable(first, `"${first.text}" has no ";" at its end; is this an nginx configuration?`)
  const [name = '', ...args] = words.map(({ text }) => text)
  const statement = { file, line: first.line, text: words.map(({ text }) => shown(text)).join(' '), name, args }
  return { ...statement, block: end.text === '{' ? readBlock(tokens, file, first) : null }
}

function shown(word: string): string {
  return word === '' || /[\s;{}"]/.test(word.replace(/\$\{\w+\}/g, '')) ? JSON.stringify(word) : word
}

function tokensOf(file: string, text: string): Token[] {
  const tokens: Token[] = []
  // A comment, a mark, a word in quotes, or a plain word, in which ${name} may stand.
  const pattern =
    /(\s+|#[^\n]*)|([{};])|"((?:[^"\\]|\\[\s\S])*)"|'((?:[^'\\]|\\[\s\S])*)'|(?!["'])((?:\$\{\w*\}|\\[\s\S]|[^\s;{}\\])+)/y
  let line = 1
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex
    const match = pattern.exec(text)
    if (match === null)
      throw new Unreadable({ file, line }, 'a quotation mark has no end; is this an nginx configuration?')
    const [all, space, mark, double, single, plain] = match
    if (mark !== undefined) tokens.push({ file, line, text: mark, isWord: false })
    else if (space === undefined)
      tokens.push({ file, line, text: unescaped(double ?? single ?? plain ?? ''), isWord: true })
    line += all.split('\n').length - 1
    const isLua = mark === '{' && tokens.at(-2)?.text.endsWith('_by_lua_block') === true
    if (isLua) {
      const end = endOfLua(text, at)
      line += text.slice(at, end).split('\n').length - 1
      pattern.lastIndex = end
      tokens.push({ file, line, text: '}', isWord: false })
    }
  }
  return tokens
}

/** The index after the brace that closes a block of Lua, which is no list of directives. */
function endOfLua(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; at++) {
    if (text[at] === '{') depth++
    if (text[at] === '}' && --depth === 0) return at + 1
  }
  return text.length
}

/** Escapes of nginx; backslashes of regular expressions stay. */
function unescaped(word: string): string {
  return word.replace(/\\(["'\\ ;{}])/g, (whole, mark: string) => (mark === '\\' ? whole : mark))
}
