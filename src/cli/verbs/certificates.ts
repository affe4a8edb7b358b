import type { Command } from 'commander'
import type { Certificate, OrderedCertificate } from '../../client/create-client.ts'
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
      const { certificates, acme } = answer
      const { paint, tableColumns } = terminal
      if (isJson) terminal.printJson(answer)
      else if (certificates.length === 0 && acme.length === 0) terminal.print('No listener has TLS.')
      else {
        if (certificates.length > 0) terminal.print(...certificateTable(certificates, paint, tableColumns))
        if (acme.length > 0) terminal.print('', ...orderedTable(acme, paint, tableColumns))
      }
      return EXIT.done
    }),
  )
  addRenew(command)
}

function addRenew(certificates: Command): void {
  const command = certificates
    .command('renew')
    .description('order certificates by ACME now, whatever failed before')
    .argument('[domain]', 'one of acme.domains; by default all of them')
  withExamples(withConnection(command), [
    ['cutover certificates renew www.example.com', 'after its DNS was corrected'],
    ['cutover certificates renew', 'every name of the instance'],
  ])
  command.action(
    act(async ({ client, terminal, isJson }, [domain]) => {
      const answer = await client.certificates.renew(domain === undefined ? {} : { domain })
      if (isJson) terminal.printJson(answer)
      else terminal.print(`${answer.ordering.join(', ')}: ordering; see cutover certificates`)
      return EXIT.done
    }),
  )
}

function orderedTable(acme: readonly OrderedCertificate[], paint: Paint, columns: number): string[] {
  const heads = ['ACME', 'VALID FOR', 'RENEWAL IN', 'STATUS']
  return tableLines(
    [
      heads.map((head) => paint('dim', head)),
      ...acme.map((each) => [
        paint('bold', harmless(each.domain)),
        each.notAfter === null ? paint('red', 'none yet') : validFor(Date.parse(each.notAfter) - Date.now(), paint),
        each.nextRenewal === null ? '-' : spoken(Math.max(0, Date.parse(each.nextRenewal) - Date.now())),
        harmless(orderStatus(each)),
      ]),
    ],
    [],
    columns,
  )
}

function orderStatus({ error, failures, nextTry }: OrderedCertificate): string {
  const next = nextTry === null ? '' : `next try in ${spoken(Math.max(0, Date.parse(nextTry) - Date.now()))}`
  if (error === null) return nextTry === null ? 'ok' : 'being ordered'
  return `failed ${failures === 1 ? 'once' : `${failures} times`}, ${next}: ${error}`
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
