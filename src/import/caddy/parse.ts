import type { Place, Statement } from '../report.ts'
import { Unreadable } from '../unreadable.ts'

/** A line: its words, and the lines of its block if it has one. */
export interface Segment extends Statement {
  readonly words: readonly string[]
  readonly block: readonly Segment[] | null
}

interface Token extends Place {
  readonly text: string
  readonly isQuoted: boolean
}

/** Reads a Caddyfile. Throws Unreadable. */
export function parseCaddyfile(file: string, text: string): readonly Segment[] {
  const tokens = tokensOf(file, text)
  const segments = readSegments(tokens, null)
  const hasBlock = segments.some(({ block }) => block !== null)
  const [first, ...rest] = segments
  // A file with one site needs no braces.
  const isOneSite = first !== undefined && rest.length > 0 && first.block === null && !first.text.startsWith('import ')
  if (isOneSite) return [{ ...first, block: rest }]
  if (!hasBlock && !segments.some(({ text: each }) => each.startsWith('import ')))
    throw new Unreadable(file, 'has no site in it; is this a Caddyfile?')
  return segments
}

function readSegments(tokens: Token[], opened: Token | null): Segment[] {
  const segments: Segment[] = []
  for (;;) {
    const [first] = tokens
    if (first === undefined) {
      if (opened === null) return segments
      throw new Unreadable(opened, 'the block that begins here has no end; is the file complete?')
    }
    if (isMark(first, '}')) {
      if (opened === null) throw new Unreadable(first, 'unexpected "}"; is this a Caddyfile?')
      tokens.shift()
      return segments
    }
    segments.push(readSegment(tokens))
  }
}

function readSegment(tokens: Token[]): Segment {
  const [first] = tokens as [Token]
  const words: string[] = []
  let { line } = first
  for (;;) {
    const token = tokens[0]
    // A comma at the end goes on in the next line.
    const goesOn = words.at(-1)?.endsWith(',') === true
    if (token === undefined || isMark(token, '}') || (token.line !== line && !goesOn)) break
    tokens.shift()
    if (isMark(token, '{') && (tokens[0] === undefined || tokens[0].line !== token.line || words.length === 0))
      return segment(first, words, readSegments(tokens, token))
    words.push(token.text)
    line = token.line + token.text.split('\n').length - 1
  }
  return segment(first, words, null)
}

function segment({ file, line }: Token, words: readonly string[], block: readonly Segment[] | null): Segment {
  const text = words.map((word) => (word === '' || /\s/.test(word) ? JSON.stringify(word) : word)).join(' ')
  return { file, line, text: text === '' ? '{ … }' : text, words, block }
}

function isMark({ text, isQuoted }: Token, mark: string): boolean {
  return !isQuoted && text === mark
}

function tokensOf(file: string, text: string): Token[] {
  const tokens: Token[] = []
  const pattern =
    /(\s+)|(#[^\n]*)|"((?:[^"\\]|\\[\s\S])*)"|`([^`]*)`|<<(\w+)\n([\s\S]*?)\n[ \t]*\5(?=\s|$)|((?!["`])\S(?:\\\n|\S)*)/y
  let line = 1
  while (pattern.lastIndex < text.length) {
    const match = pattern.exec(text)
    if (match === null) throw new Unreadable({ file, line }, 'a quotation mark has no end; is this a Caddyfile?')
    const [all, space, comment, double, tick, , here, plain] = match
    const quoted = double?.replace(/\\"/g, '"') ?? tick ?? here
    if (quoted !== undefined) tokens.push({ file, line, text: quoted, isQuoted: true })
    else if (plain !== undefined) tokens.push({ file, line, text: plain, isQuoted: false })
    if (space !== undefined || comment === undefined) line += all.split('\n').length - 1
  }
  return tokens
}
