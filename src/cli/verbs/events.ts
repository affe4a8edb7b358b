import type { Command } from 'commander'
import type { LoggedEvent, SeenEvent } from '../../client/create-client.ts'
import { changeText } from '../change-text.ts'
import { clockTime } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { Interrupt } from '../interrupt.ts'
import { collect, readNumber, withConnection, withExamples } from '../options.ts'
import type { Ink } from '../output/paint.ts'
import type { Terminal } from '../output/terminal.ts'
import { harmless } from '../output/text.ts'
import { act, type Session } from '../session.ts'

const DEFAULT_LAST = 20

interface Options {
  readonly follow?: true
  readonly service?: string
  readonly types?: readonly string[]
  readonly last?: number
  readonly after?: string
}

export function addEvents(program: Command): void {
  const command = program
    .command('events')
    .description('what has happened to services, servers and instances; with -f, as it happens')
    .option('-f, --follow', 'print new events as they happen, until Ctrl-C')
    .option('--service <service>', 'only those of this service')
    .option('--types <types>', 'only these types, with commas between them; drain.* is possible', collect(String))
    .option(
      '-n, --last <number>',
      `print so many of the past (default: ${DEFAULT_LAST}; with -f none)`,
      readNumber(0, 10_000, true),
    )
    .option('--after <id>', 'with -f: go on after the event of this id; 0-0 = all that are kept')
  withExamples(withConnection(command), [
    ['cutover events -f', 'new events of the fleet, a line each'],
    [
      'cutover events --service shop --types "change,drain.*" -n 100 --json',
      'the last hundred of these, as one document',
    ],
  ])
  command.action(
    act<Options>(async (session, _names, options) => {
      const { follow, last, after, service, types } = options
      const { client, terminal, isJson } = session
      const filter = { service, types }
      if (follow !== true) {
        const { events, position } = await client.keptEvents(last ?? DEFAULT_LAST, filter)
        if (isJson) terminal.printJson({ events, position })
        else if (events.length === 0) terminal.tell('No such event is kept; events -f prints those to come.')
        else for (const event of events) terminal.print(lineOf(event, terminal))
        return EXIT.done
      }
      const interrupt = new Interrupt()
      const { signal } = interrupt
      try {
        // Whether somebody answers, and the filter can be used, is known before it waits for events.
        const kept = await client.keptEvents(after === undefined ? (last ?? 0) : 0, { ...filter, signal })
        for (const event of kept.events) print(session, event)
        const lastEventId = after ?? kept.position
        for await (const event of client.events({ ...filter, lastEventId, signal })) print(session, event)
      } catch (error) {
        if (!interrupt.isPressed) throw error
      } finally {
        interrupt.end()
      }
      return EXIT.interrupted
    }),
  )
}

function print({ terminal, isJson }: Session, event: SeenEvent): void {
  if (isJson) terminal.printJson(event)
  else terminal.print(lineOf(event, terminal))
}

const INKS: readonly (readonly [begin: string, ink: Ink])[] = [
  ['change', 'cyan'],
  ['health', 'yellow'],
  ['ejection', 'yellow'],
  ['store.away', 'red'],
  ['instance.gone', 'red'],
  ['worker.died', 'red'],
  ['rollout.abort', 'red'],
]

/** An event on one line: when, what, where, from what to what, and who or why. */
function lineOf(event: SeenEvent, { paint, isInteractive }: Terminal): string {
  if (!('at' in event)) return 'events were missed here: the log has not kept them'
  const { type, at, by, reason, instance } = event
  const when = isInteractive ? clockTime(at) : at
  const ink = INKS.find(([begin]) => type.startsWith(begin))?.[1] ?? 'dim'
  const who = [...(by === null ? [] : [`by ${by}`]), ...(instance === null ? [] : [`at ${instance}`])].join(' ')
  const parts = [`${whereOf(event)} ${whatOf(event)}`.trim(), who, reason ?? ''].filter((part) => part !== '')
  return `${paint('dim', when)}  ${paint(ink, type.padEnd(TYPE_COLUMNS))}  ${harmless(parts.join('; '))}`
}

/** Width of most types. */
const TYPE_COLUMNS = 14

function whereOf({ service, pool, server }: LoggedEvent): string {
  return [service, pool, server].filter((name) => name !== null).join('/')
}

function whatOf({ action, before, after, forced }: LoggedEvent): string {
  const change = changeText(before, after)
  const command = `${action ?? ''}${forced ? ', forced' : ''}`
  return command === '' || change === '' ? `${command}${change}` : `${command}: ${change}`
}
