import type { Command } from 'commander'
import type { Certificate } from '../../client/create-client.ts'
import { spoken } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { withConnection, withExamples } from '../options.ts'
import type { Paint } from '../output/paint.ts'
import { tableLines } from '../output/table.ts'
import { harmless } from '../output/text.ts'
import { act } from '../session.ts'

const DAY_MS = 86_400_000
/** Time before the end of a certificate from which on it should have been renewed. */
const SOON_MS = 14 * DAY_MS

export function addCertificates(program: Command): void {
  const command = program
    .command('certificates')
    .description(
      'the certificates of the listeners: names, how long they are valid, and what is wrong with their files',
    )
  withExamples(withConnection(command), [
    ['cutover certificates', 'a line for each'],
    ['cutover certificates --json', 'with issuers and fingerprints'],
  ])
  command.action(
    act(async ({ client, terminal, isJson }) => {
      const answer = await client.certificates.list()
      const { certificates } = answer
      if (isJson) terminal.printJson(answer)
      else if (certificates.length === 0) terminal.print('No listener has TLS.')
      else terminal.print(...certificateTable(certificates, terminal.paint, terminal.tableColumns))
      return EXIT.done
    }),
  )
}

function certificateTable(certificates: readonly Certificate[], paint: Paint, columns: number): string[] {
  const heads = ['LISTENER', 'VALID FOR', 'NAMES', 'FILE']
  return tableLines(
    [
      heads.map((head) => paint('dim', head)),
      ...certificates.map(({ listener, names, notAfter, file, error }) => [
        paint('bold', listener),
        validFor(Date.parse(notAfter) - Date.now(), paint),
        harmless(names.join(' ')),
        harmless(error === null ? file : `${file}; not in force: ${error}`),
      ]),
    ],
    [],
    columns,
  )
}

function validFor(ms: number, paint: Paint): string {
  if (ms <= 0) return paint('red', 'expired')
  return paint(ms < SOON_MS ? 'yellow' : 'green', spoken(ms))
}
