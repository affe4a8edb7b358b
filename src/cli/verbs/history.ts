import type { Command } from 'commander'
import type { Client, HistoryEntry } from '../../client/create-client.ts'
import { changeText } from '../change-text.ts'
import { clockTime } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { readNumber, withConnection, withExamples } from '../options.ts'
import type { Paint } from '../output/paint.ts'
import { tableLines } from '../output/table.ts'
import { harmless } from '../output/text.ts'
import { act } from '../session.ts'

const DEFAULT_LAST = 20

export function addHistory(program: Command): void {
  const command = program
    .command('history')
    .description('who changed what, when and why; newest first')
    .argument('[service]', 'name of a service, also of one that was removed; by default all services')
    .option('-n, --last <number>', `how many changes (default: ${DEFAULT_LAST})`, readNumber(1, 1_000, true))
  withExamples(withConnection(command), [
    ['cutover history shop', 'the last changes of shop'],
    ['cutover history -n 100 --json', 'those of all services, for a script'],
  ])
  command.action(
    act<{ last?: number }>(async ({ client, terminal, isJson }, [service], { last = DEFAULT_LAST }) => {
      const answer =
        service === undefined
          ? await historyOfAll(client, last)
          : await client.services.history(service, { limit: last })
      if (isJson) terminal.printJson(answer)
      else if (answer.history.length === 0) terminal.tell('Nothing has been changed yet.')
      else terminal.print(...historyTable(answer.history, service === undefined, terminal.paint, terminal.tableColumns))
      return EXIT.done
    }),
  )
}

/** The newest changes of all services. They are at no more services than there are changes: those changed last. */
async function historyOfAll(client: Client, last: number) {
  const { revision, services } = await client.services.list()
  const newest = services.toSorted((a, b) => b.revision - a.revision).slice(0, last)
  const history: HistoryEntry[] = []
  for (const { name } of newest) history.push(...(await client.services.history(name, { limit: last })).history)
  return { revision, history: history.toSorted((a, b) => b.revision - a.revision).slice(0, last) }
}

function historyTable(entries: readonly HistoryEntry[], withService: boolean, paint: Paint, columns: number): string[] {
  const heads = ['REVISION', 'WHEN', 'BY', 'CHANGE']
  return tableLines(
    [
      heads.map((head) => paint('dim', head)),
      ...entries.map(({ revision, at, by, service, action, from, to, reason, forced }) => {
        const what = [...(withService ? [service] : []), action, ...(forced ? ['(forced)'] : [])].join(' ')
        const change = changeText(from, to)
        const parts = [change === '' ? what : `${what}: ${change}`, ...(reason === null ? [] : [reason])]
        return [String(revision), clockTime(at), harmless(by), harmless(parts.join('; '))]
      }),
    ],
    [0],
    columns,
  )
}
