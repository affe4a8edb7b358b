import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { PROGRAM } from '../support/program.ts'

export const ROOT = fileURLToPath(new URL('../..', import.meta.url))

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What it reads from standard input. */
  readonly input?: string
  /** A command that runs `wordsOf(args)` itself; its standard input stays open. */
  readonly within?: readonly string[]
}

/** A `cutover` process of the command line. */
export class CommandLine {
  readonly process: ChildProcess
  stdout = ''
  stderr = ''
  readonly ended: Promise<Ran>

  /** The words of the command line that runs `cutover` with these arguments. */
  static wordsOf(args: readonly string[]): readonly string[] {
    return [process.execPath, PROGRAM, ...args]
  }

  constructor(args: readonly string[], { env = {}, cwd, input = '', within }: RunOptions = {}) {
    const [command = '', ...words] = within ?? CommandLine.wordsOf(args)
    this.process = spawn(command, words, {
      cwd,
      env: { ...process.env, NO_COLOR: '', ...env },
      stdio: 'pipe',
    })
    if (within === undefined) this.process.stdin?.end(input)
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
    this.ended = once(this.process, 'close').then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }))
  }

  /** Resolves once it has printed this to standard error. Rejects with all it has printed if it ends before. */
  said(pattern: RegExp): Promise<void> {
    return this.shown(() => this.stderr, this.process.stderr, pattern)
  }

  /** The same of standard output. */
  printed(pattern: RegExp): Promise<void> {
    return this.shown(() => this.stdout, this.process.stdout, pattern)
  }

  private async shown(text: () => string, stream: Readable | null, pattern: RegExp): Promise<void> {
    const ended = this.ended.then((ran) => {
      throw new Error(`it has ended: ${JSON.stringify(ran)}`)
    })
    ended.catch(() => undefined)
    while (!pattern.test(text())) await Promise.race([once(stream as Readable, 'data'), ended])
  }
}

/** Runs `cutover` to its end. */
export function runCutover(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  return new CommandLine(args, options).ended
}
