import { stripVTControlCharacters } from 'node:util'
import { atEnd } from '../support/endings.ts'
import { until } from '../support/until.ts'
import { CommandLine, type Ran } from './support.ts'

const CLEAR_BELOW = '\u001b[J'

/** A command in a terminal of 80 columns and 24 rows, by `script` of util-linux. */
export class PseudoTerminal {
  private readonly script: CommandLine

  /** `args`: of `cutover`; `env`: of its process. */
  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const command = CommandLine.wordsOf(args).map((word) => `'${word.replaceAll("'", `'\\''`)}'`)
    // The shell outlives Ctrl-C. What it tells of the end of the command stands behind what the command has left on the terminal.
    const line = `trap : INT; stty cols 80 rows 24; ${command.join(' ')}; echo "[code $?, $(stty -a | grep -o -- '-\\?icanon')]"`
    this.script = new CommandLine(args, {
      env: { TERM: 'xterm', SHELL: '/bin/sh', ...env },
      within: ['script', '-qfc', line, '/dev/null'],
    })
    // Without its terminal, a command that is still there ends.
    atEnd(() => this.script.process.kill('SIGKILL'))
  }

  /** All that was written to the terminal. */
  get written(): string {
    return this.script.stdout.replaceAll('\r\n', '\n')
  }

  /** Frames that were drawn over each other, as text. */
  get frames(): readonly string[] {
    return this.written.split(CLEAR_BELOW).slice(0, -1).map(stripVTControlCharacters)
  }

  /** Types keys; Ctrl-C is `\u0003`. */
  type(keys: string): void {
    this.script.process.stdin?.write(keys)
  }

  async shows(pattern: RegExp): Promise<void> {
    await until(() => pattern.test(stripVTControlCharacters(this.written)))
  }

  /** The exit code, and whether the terminal waits for whole lines again. */
  async end(): Promise<{ code: number; isRestored: boolean } & Ran> {
    const ran = await this.script.ended
    const [, code, mode] = /\[code (\d+), (-?)icanon\]/.exec(this.written) ?? []
    return { ...ran, code: Number(code), isRestored: mode === '' }
  }
}
