import type { Readable } from 'node:stream'

/** pino's level of an error. */
const ERROR_LEVEL = 50
/** So that a flood of them does not fill the memory; to know that there is one, less would do. */
const MOST_KEPT = 1_000

/** What a process says on standard error that is no ordinary line of its log. */
export class Complaints {
  readonly loggedErrors: string[] = []
  /** Warnings of Node, and whatever else; with the lines that belong to each. */
  readonly printed: string[] = []
  private rest = ''

  constructor(output: Readable) {
    output.on('data', (chunk: Buffer) => {
      const lines = (this.rest + chunk.toString()).split('\n')
      this.rest = lines.pop() ?? ''
      for (const line of lines) this.take(line)
    })
  }

  private take(line: string): void {
    const level = levelOf(line)
    if (level !== null) {
      if (level >= ERROR_LEVEL && this.loggedErrors.length < MOST_KEPT) this.loggedErrors.push(line)
    } else if (line.startsWith('(') || this.printed.length === 0) {
      if (this.printed.length < MOST_KEPT) this.printed.push(line)
    } else this.printed.push(`${this.printed.pop()}\n${line}`)
  }
}

/** Of a line of the log; null: it is none. */
function levelOf(line: string): number | null {
  try {
    const entry: unknown = JSON.parse(line)
    return typeof entry === 'object' && entry !== null && 'level' in entry ? Number(entry.level) : null
  } catch {
    return null
  }
}
