import { type Command, Option } from 'commander'
import type { Client } from '../../client/create-client.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { isTemporary } from '../failure.ts'
import { Interrupt, pause } from '../interrupt.ts'
import { readKeys } from '../keys.ts'
import { readDuration, readNumber, withConnection, withExamples } from '../options.ts'
import { Screen } from '../output/screen.ts'
import { harmless } from '../output/text.ts'
import { act, type Session } from '../session.ts'
import { type Look, poolLines, topTable } from './top-table.ts'

type Window = '10s' | '60s' | '5m' | '1h'

interface Options {
  readonly window: Window
  readonly service?: string
  readonly interval?: number
  readonly count?: number
}

const INTERVAL_MS = 1_000
const LEAST_INTERVAL_MS = 200

export function addTop(program: Command): void {
  const command = program
    .command('top')
    .description('rate, errors, durations and requests in flight of each pool, drawn anew each second; q ends it')
    .addOption(
      new Option('--window <time>', 'the time that the figures are about')
        .choices(['10s', '60s', '5m', '1h'])
        .default('10s'),
    )
    .option('--service <service>', 'only this service')
    .option('--interval <time>', 'time between two looks (default: 1s)', readDuration)
    .option('-n, --count <number>', 'end after so many looks', readNumber(1, 1e9, true))
  withExamples(withConnection(command), [
    ['cutover top', 'all pools; q or Ctrl-C ends it'],
    ['cutover top --service shop --window 5m -n 1 --json', 'the figures of five minutes, once'],
  ])
  command.action(act<Options>(async (session, _names, options) => top(session, options)))
}

async function top(session: Session, options: Options): Promise<ExitCode> {
  const { service, window, interval = INTERVAL_MS, count = Number.POSITIVE_INFINITY } = options
  const { client, terminal, isJson } = session
  const isDrawn = terminal.isInteractive && !isJson
  const interrupt = new Interrupt()
  const quit = new AbortController()
  const signal = AbortSignal.any([interrupt.signal, quit.signal])
  const screen = new Screen(terminal.stdout)
  const endKeys = isDrawn
    ? readKeys(
        () => quit.abort(),
        () => interrupt.press(),
      )
    : () => undefined
  let known: Look | null = null
  try {
    for (let looks = 1; ; looks++) {
      let problem = ''
      try {
        known = await look(client, window, service, signal)
      } catch (error) {
        if (signal.aborted) break
        // Once it has answered, an instance that does not is asked again.
        if (known === null || !isTemporary(error)) throw error
        problem = `${harmless(error.message)}; asking again`
      }
      if (isDrawn) screen.draw(topTable(known, terminal.paint, problem))
      else if (problem !== '') terminal.tell(problem)
      else if (isJson) terminal.printJson(known.stats)
      else terminal.print(...poolLines(known))
      if (looks >= count) break
      await pause(Math.max(LEAST_INTERVAL_MS, interval), signal)
      if (signal.aborted) break
    }
  } finally {
    screen.end()
    endKeys()
    interrupt.end()
  }
  return interrupt.isPressed ? EXIT.interrupted : EXIT.done
}

async function look(client: Client, window: Window, service: string | undefined, signal: AbortSignal): Promise<Look> {
  const [stats, { services }] = await Promise.all([
    client.stats({ window, service, signal }),
    client.services.list({ signal }),
  ])
  return { stats, services }
}
