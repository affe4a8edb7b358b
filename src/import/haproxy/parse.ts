import type { Statement } from '../report.ts'
import { Unreadable } from '../unreadable.ts'

/** A line within a section. */
export interface Line extends Statement {
  readonly words: readonly string[]
}

export interface Section {
  readonly kind: string
  /** Empty = it has none. */
  readonly name: string
  readonly line: Line
  readonly lines: readonly Line[]
}

const KINDS: ReadonlySet<string> = new Set(
  'global defaults frontend backend listen userlist peers resolvers mailers cache program http-errors ring log-forward fcgi-app crt-store traces acme log-profile'.split(
    ' ',
  ),
)

/** Reads the sections of a file. Throws Unreadable. */
export function parseHaproxy(file: string, text: string): readonly Section[] {
  const sections: { kind: string; name: string; line: Line; lines: Line[] }[] = []
  for (const [index, source] of text.split('\n').entries()) {
    const words = wordsOf(source, file, index + 1)
    const [first = ''] = words
    if (first === '') continue
    const line = { file, line: index + 1, text: withoutComment(source), words }
    if (KINDS.has(first)) sections.push({ kind: first, name: words[1] ?? '', line, lines: [] })
    else if (first.startsWith('.'))
      throw new Unreadable(line, `write out ${first} first: haproxy -cc and .if are not followed`)
    else {
      const section = sections.at(-1)
      if (section === undefined)
        throw new Unreadable(line, `"${first}" stands before any section; is this a configuration of HAProxy?`)
      section.lines.push(line)
    }
  }
  if (sections.length === 0) throw new Unreadable(file, 'has no section of HAProxy in it, such as frontend or backend')
  return sections
}

/** The words of a line: quotation marks and backslashes keep spaces in a word, # begins a comment. */
function wordsOf(source: string, file: string, line: number): readonly string[] {
  const words: string[] = []
  const pattern = /\s+|#.*|((?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s#"'\\])+)/y
  while (pattern.lastIndex < source.length) {
    const match = pattern.exec(source)
    if (match === null)
      throw new Unreadable({ file, line }, 'a quotation mark has no end; is this a configuration of HAProxy?')
    if (match[1] !== undefined) words.push(unquoted(match[1]))
  }
  return words
}

/** Without quotation marks and escapes; other backslashes belong to regular expressions. */
function unquoted(word: string): string {
  return word.replace(
    /"((?:[^"\\]|\\.)*)"|'([^']*)'|\\([ #"'\\])/g,
    (_all, double?: string, single?: string, escaped?: string) =>
      double === undefined ? (single ?? escaped ?? '') : double.replace(/\\(["\\$])/g, '$1'),
  )
}

function withoutComment(source: string): string {
  const [text = ''] = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^#"'\\])*/.exec(source) ?? ['']
  return text.trim().replace(/\s+/g, ' ')
}
