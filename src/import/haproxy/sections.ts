import type { Report } from '../report.ts'
import type { Line, Section } from './parse.ts'

/** A proxy section with what it has from its defaults. */
export class ProxySection {
  readonly section: Section
  private readonly inherited: readonly Line[]
  private readonly report: Report

  constructor(section: Section, inherited: readonly Line[], report: Report) {
    this.section = section
    this.inherited = inherited
    this.report = report
  }

  get name(): string {
    return this.section.name
  }

  get servesClients(): boolean {
    return this.section.kind !== 'backend'
  }

  get hasServers(): boolean {
    return this.section.kind !== 'frontend'
  }

  /** All lines that begin with these words: its own, or those of its defaults if it has none. Counted as taken. */
  all(...words: readonly string[]): readonly Line[] {
    const found = this.look(...words)
    this.report.take(...found)
    return found
  }

  /** The last of them. */
  one(...words: readonly string[]): Line | undefined {
    return this.all(...words).at(-1)
  }

  /** Like all, but leaves it open whether they are taken over. */
  look(...words: readonly string[]): readonly Line[] {
    const own = this.section.lines.filter((line) => beginsWith(line, words))
    if (own.length > 0) return own
    return this.inherited.filter((line) => beginsWith(line, words))
  }

  /** Whether an option is on: `no option` in the section wins over the defaults. */
  has(...words: readonly string[]): boolean {
    const off = this.section.lines.filter((line) => beginsWith(line, ['no', ...words]))
    this.report.take(...off)
    return off.length === 0 && this.all(...words).length > 0
  }

  /** Its own lines that begin with these words. */
  own(...words: readonly string[]): readonly Line[] {
    return this.section.lines.filter((line) => beginsWith(line, words))
  }
}

function beginsWith({ words }: Line, wanted: readonly string[]): boolean {
  return wanted.every((word, index) => words[index] === word)
}

/** The frontends, backends and listens of a file, each with its defaults. */
export function proxiesOf(sections: readonly Section[], report: Report): readonly ProxySection[] {
  const named = new Map<string, readonly Line[]>()
  let last: readonly Line[] = []
  const proxies: ProxySection[] = []
  for (const section of sections) {
    const { kind, name, line, lines } = section
    const from = line.words.indexOf('from')
    const base = from === -1 ? null : (named.get(line.words[from + 1] ?? '') ?? [])
    if (kind === 'defaults') {
      report.take(line)
      last = base === null ? lines : merged(base, lines)
      if (name !== '') named.set(name, last)
    } else if (['frontend', 'backend', 'listen'].includes(kind)) {
      proxies.push(new ProxySection(section, base ?? last, report))
    }
  }
  return proxies
}

/** Lines of defaults that come from others: those with the same first two words are replaced. */
function merged(base: readonly Line[], lines: readonly Line[]): readonly Line[] {
  const keyOf = ({ words }: Line) => words.slice(0, 2).join(' ')
  const keys = new Set(lines.map(keyOf))
  return [...base.filter((line) => !keys.has(keyOf(line))), ...lines]
}
