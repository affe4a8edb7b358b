import type { WriteStream } from 'node:tty'
import { EXIT } from '../exit-codes.ts'
import { type Paint, paintFor } from './paint.ts'

/** Width of what is printed where there is no terminal. */
const COLUMNS = 100

/** What a terminal needs of a stream; those that are none have no size. */
export type Stream = Pick<NodeJS.WriteStream, 'write' | 'on'> & Partial<Pick<WriteStream, 'isTTY' | 'getWindowSize'>>

/** Standard output, for results, and standard error, for progress and complaints. */
export class Terminal {
  readonly stdout: Stream
  readonly stderr: Stream
  readonly paint: Paint
  /** Colours of what goes to standard error. */
  readonly paintError: Paint

  constructor(stdout: Stream, stderr: Stream, env: NodeJS.ProcessEnv) {
    this.stdout = stdout
    this.stderr = stderr
    this.paint = paintFor(stdout.isTTY === true, env)
    this.paintError = paintFor(stderr.isTTY === true, env)
    // A reader that has seen enough, such as `head`, is no failure.
    stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(EXIT.done)
      throw error
    })
  }

  /** Whether people see what is printed as it comes. */
  get isInteractive(): boolean {
    return this.stdout.isTTY === true
  }

  /** Columns and rows, asked for anew: this process is not told when they change. */
  get size(): { readonly columns: number; readonly rows: number } {
    return sizeOf(this.stdout)
  }

  /** Columns of a table; where there is no terminal, each row is one line, however long, for grep and the like. */
  get tableColumns(): number {
    return this.isInteractive ? this.size.columns : Number.POSITIVE_INFINITY
  }

  /** Prints lines of a result. */
  print(...lines: readonly string[]): void {
    this.stdout.write(lines.map((line) => `${line}\n`).join(''))
  }

  /** Prints a document as JSON, on one line. */
  printJson(document: unknown): void {
    this.print(JSON.stringify(document))
  }

  /** Tells people something beside the result. */
  tell(...lines: readonly string[]): void {
    this.stderr.write(lines.map((line) => `${line}\n`).join(''))
  }
}

/** Columns and rows of a stream; of one that is no terminal, the usual width. */
export function sizeOf(stream: Stream): { readonly columns: number; readonly rows: number } {
  const [columns = COLUMNS, rows = Number.POSITIVE_INFINITY] =
    stream.isTTY === true ? (stream.getWindowSize?.() ?? []) : []
  // A terminal that does not know its size says 0.
  return { columns: columns || COLUMNS, rows: rows || Number.POSITIVE_INFINITY }
}
