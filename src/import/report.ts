/** A line of a file. */
export interface Place {
  readonly file: string
  readonly line: number
}

/** A directive of another proxy's configuration, as written. */
export interface Statement extends Place {
  /** The directive on one line. */
  readonly text: string
}

/**
 * `left out`: not in the result. `differs`: in the result, but it means something else there. `not needed`: Cutover
 * behaves like that anyway, or has nothing that it would concern.
 */
export type RemarkKind = 'left out' | 'differs' | 'not needed'

export interface Remark {
  readonly kind: RemarkKind
  readonly statement: Statement
  /** Why, and what to do instead; one sentence. */
  readonly why: string
}

/** Max length of a directive in a remark. */
const MAX_TEXT = 100
/** What follows these words is a password, a hash of one, or a token: remarks end up in logs. */
const SECRET = /\b((?:stats auth|(?:insecure-)?password|authorization|secret|token|api[-_]?key)\b["']?[\s:=]+).+$/i
/** User and hash, as htpasswd writes them. */
const HASH = /\S*:?\$(?:2[aby]|apr1|[156])\$\S+/g

/** Keeps account of every directive: it is taken over, or there is a remark about it. */
export class Report {
  readonly remarks: Remark[] = []
  private readonly taken = new Set<Statement>()

  /** Notes that a directive is in the result. */
  take(...statements: readonly Statement[]): void {
    for (const statement of statements) this.taken.add(statement)
  }

  leftOut(statement: Statement, why: string): void {
    this.add('left out', statement, why)
  }

  /** Like leftOut, instead of whatever else has been said about it. */
  onlyLeftOut(statement: Statement, why: string): void {
    const others = this.remarks.filter((remark) => remark.statement !== statement)
    this.remarks.splice(0, this.remarks.length, ...others)
    this.leftOut(statement, why)
  }

  differs(statement: Statement, why: string): void {
    this.add('differs', statement, why)
  }

  notNeeded(statement: Statement, why: string): void {
    this.add('not needed', statement, why)
  }

  /** Whether a directive is taken over or has a remark. */
  knows(statement: Statement): boolean {
    return this.taken.has(statement)
  }

  /** Whether everything is in the result as it was meant. */
  get isComplete(): boolean {
    return this.remarks.every(({ kind }) => kind === 'not needed')
  }

  /** The remarks as lines for people, in the order of the files, and their number. */
  lines(): readonly string[] {
    const files = [...new Set(this.remarks.map(({ statement }) => statement.file))]
    const sorted = this.remarks.toSorted(
      ({ statement: a }, { statement: b }) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line,
    )
    return [...sorted.map(lineOf), ...this.summary()]
  }

  private summary(): string[] {
    if (this.remarks.length === 0) return []
    const count = (kind: RemarkKind) => this.remarks.filter((remark) => remark.kind === kind).length
    return [`${count('left out')} left out, ${count('differs')} differ, ${count('not needed')} not needed`]
  }

  private add(kind: RemarkKind, statement: Statement, why: string): void {
    this.taken.add(statement)
    const isKnown = this.remarks.some((remark) => remark.statement === statement && remark.why === why)
    if (!isKnown) this.remarks.push({ kind, statement, why })
  }
}

function lineOf({ kind, statement: { file, line, text }, why }: Remark): string {
  const plain = text.replace(HASH, '(hidden)').replace(SECRET, '$1(hidden)')
  const short = plain.length > MAX_TEXT ? `${plain.slice(0, MAX_TEXT - 1)}…` : plain
  return `${file === '-' ? 'standard input' : file}:${line}: ${kind}: ${short}: ${why}`
}
