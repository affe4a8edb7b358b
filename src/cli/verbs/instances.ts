import type { Command } from 'commander'
import type { Instance } from '../../client/create-client.ts'
import { spoken } from '../durations.ts'
import { EXIT } from '../exit-codes.ts'
import { withConnection, withExamples } from '../options.ts'
import type { Paint } from '../output/paint.ts'
import { tableLines } from '../output/table.ts'
import { harmless } from '../output/text.ts'
import { tellRemarks } from '../remarks.ts'
import { act } from '../session.ts'

const MEGABYTE = 1024 * 1024

export function addInstances(program: Command): void {
  const command = program
    .command('instances')
    .description('the instances of the fleet: who is there, and which revision each has applied')
  withExamples(withConnection(command), [
    ['cutover instances', 'a line for each'],
    ['cutover instances --json', 'with their processes'],
  ])
  command.action(
    act(async ({ client, terminal, isJson }) => {
      const answer = await client.instances.list()
      if (isJson) terminal.printJson(answer)
      else terminal.print(...instanceTable(answer.instances, answer.revision, terminal.paint, terminal.tableColumns))
      tellRemarks(terminal, answer)
      return EXIT.done
    }),
  )
}

function instanceTable(instances: readonly Instance[], revision: number, paint: Paint, columns: number): string[] {
  const heads = ['INSTANCE', 'SEEN', 'REVISION', 'WORKERS', 'CPU', 'MEMORY', 'ADDRESS']
  const isMixed = new Set(instances.map(({ version }) => version)).size > 1
  return tableLines(
    [
      heads.map((head) => paint('dim', head)),
      ...instances.map((instance) => {
        const { name, self, live, lastSeen, appliedRevision, processes, version, address } = instance
        const sum = (figure: (process: Instance['processes'][number]) => number): number =>
          processes.reduce((total, process) => total + figure(process), 0)
        const ago = `${spoken(Math.max(0, Date.now() - Date.parse(lastSeen)))} ago`
        const isCurrent = appliedRevision >= revision
        const troubles = troublesOf(instance)
        const what = [address === '' ? '–' : address, ...(isMixed ? [`version ${version}`] : []), ...troubles].join(
          '; ',
        )
        return [
          paint('bold', self ? `${name} *` : name),
          live ? paint('green', 'live') : paint('red', ago),
          paint(isCurrent || !live ? 'dim' : 'yellow', String(appliedRevision)),
          String(processes.filter(({ role }) => role === 'worker').length),
          `${Math.round(sum(({ cpuPercent }) => cpuPercent))} %`,
          `${Math.round(sum(({ memoryBytes }) => memoryBytes) / MEGABYTE)} MB`,
          harmless(what),
        ]
      }),
    ],
    [2, 3, 4, 5],
    columns,
  )
}

function troublesOf({ configuration, cannotFollow, overrides, store, processes }: Instance): string[] {
  return [
    ...(configuration.problem === null ? [] : [`configuration: ${configuration.problem}`]),
    ...(configuration.standing === 'older' ? ['its configuration file is older than the one in force'] : []),
    ...(configuration.standing === 'differs' ? ['its configuration file differs from the one in force'] : []),
    ...cannotFollow.map(({ service, problem }) => `cannot read ${service}: ${problem}`),
    ...overrides.map(({ what, by }) => `overridden by ${by}: ${what}`),
    ...(store === undefined || store.status === 'ok' ? [] : [`store ${store.status}: ${store.detail}`]),
    ...processes.filter(({ hung }) => hung).map(({ role, pid }) => `${role} ${pid} does not respond`),
  ]
}
