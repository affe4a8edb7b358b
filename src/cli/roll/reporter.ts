import { harmless } from '../output/text.ts'
import type { Session } from '../session.ts'

/** What has happened to a server. */
export type RollEvent =
  | 'draining'
  | 'drained'
  | 'running'
  | 'ran'
  | 'enabled'
  | 'up'
  | 'watched'
  | 'failed'
  | 'drained again'

/** Prints how a roll goes: lines for people, or a JSON document a line. */
export class Reporter {
  private readonly session: Session
  private readonly of: number
  private readonly numbers = new Map<string, number>()

  /** `done`: number of servers that are complete already. `servers`: in their order. */
  constructor(session: Session, servers: readonly string[], done: number) {
    this.session = session
    this.of = servers.length + done
    for (const [i, server] of servers.entries()) this.numbers.set(server, done + i + 1)
  }

  event(server: string, event: RollEvent, detail = ''): void {
    const { terminal, isJson } = this.session
    if (isJson) {
      terminal.printJson({ event, server, number: this.numbers.get(server), of: this.of, detail })
      return
    }
    const head = terminal.paint('dim', `[${this.numbers.get(server)}/${this.of}]`)
    const what = event === 'failed' ? terminal.paint('red', 'failed') : event
    terminal.print(`${head} ${server}: ${what}${detail === '' ? '' : ` ${harmless(detail)}`}`)
  }

  /** A line that the command for a server has printed. */
  line(server: string, text: string): void {
    const { terminal, isJson } = this.session
    if (isJson) terminal.tell(`${server} | ${text}`)
    else terminal.print(`${terminal.paint('dim', `      ${server} |`)} ${text}`)
  }
}
