import type { Command } from 'commander'
import type { Server, Service } from '../../client/create-client.ts'
import { EXIT } from '../exit-codes.ts'
import { withConnection, withExamples } from '../options.ts'
import { bar } from '../output/bar.ts'
import type { Paint } from '../output/paint.ts'
import { tableLines } from '../output/table.ts'
import { harmless } from '../output/text.ts'
import { tellRemarks } from '../remarks.ts'
import { conditionsOf, percent, troubleOf, upText } from '../service-words.ts'
import { act } from '../session.ts'

const BAR_COLUMNS = 10
const HEADS = ['SERVICE', 'POOL', 'VERSION', 'SHARE', '', 'UP', 'IN FLIGHT']
const NUMBERS = [4, 5, 6]

export function addStatus(program: Command): void {
  const command = program
    .command('status')
    .description('services, their pools, who gets how many of the requests, and what is wrong')
    .argument('[service]', 'name of a service, with its servers; by default all services')
  withExamples(withConnection(command), [
    ['cutover status', 'a line a pool'],
    ['cutover status shop', 'with its servers and their last health checks'],
  ])
  command.action(
    act(async ({ client, terminal, isJson }, [name]) => {
      const { paint } = terminal
      const answer = name === undefined ? await client.services.list() : await client.services.get(name)
      const services = 'services' in answer ? answer.services : [answer]
      if (isJson) terminal.printJson(answer)
      else if (services.length === 0)
        terminal.tell('There is no service. Define one in the configuration file, and reload it.')
      else {
        const columns = terminal.tableColumns
        terminal.print(...poolTable(services, name === undefined, paint))
        if (name !== undefined) terminal.print('', ...serverTable(services.flatMap(serversOf), paint, columns))
      }
      tellRemarks(terminal, answer)
      return EXIT.done
    }),
  )
}

/** A line a pool, and below each service what is particular about it. `withTroubles`: servers that take no requests, too. */
function poolTable(services: readonly Service[], withTroubles: boolean, paint: Paint): string[] {
  const rows = services.map((service) =>
    service.pools.map((pool, i) => {
      const isShort = pool.up < pool.servers.filter(({ state }) => state === 'ready').length
      const ink = isShort ? (pool.up === 0 && pool.share > 0 ? 'red' : 'yellow') : 'green'
      return [
        i === 0 ? paint('bold', service.name) : '',
        pool.name,
        paint('dim', pool.version),
        paint(pool.share > 0 ? 'cyan' : 'dim', bar(pool.share / 100, BAR_COLUMNS)),
        percent(pool.share),
        paint(ink, upText(pool)),
        pool.drained ? paint('dim', 'drained') : String(pool.inFlight),
      ]
    }),
  )
  const [head = '', ...lines] = tableLines([HEADS.map((each) => paint('dim', each)), ...rows.flat()], NUMBERS)
  return [
    head,
    ...services.flatMap((service, i) => {
      const own = lines.splice(0, rows[i]?.length ?? 0)
      const troubles = withTroubles ? serversOf(service).flatMap(troubleLine) : []
      const notes = [...conditionsOf(service), ...troubles].map((note) => paint('yellow', `  ${harmless(note)}`))
      return [...own, ...notes]
    }),
  ]
}

function troubleLine(server: Server): string[] {
  const trouble = troubleOf(server)
  return trouble === '' ? [] : [`${server.pool}/${server.name}: ${trouble}`]
}

function serversOf({ pools }: Service): readonly Server[] {
  return pools.flatMap(({ servers }) => servers)
}

function serverTable(servers: readonly Server[], paint: Paint, columns: number): string[] {
  const heads = ['SERVER', 'POOL', 'WEIGHT', 'IN FLIGHT', 'STATE', 'HEALTH', 'URL, LAST CHECK']
  return tableLines(
    [
      heads.map((head) => paint('dim', head)),
      ...servers.map((server) => {
        const { name, pool, url, weight, inFlight, state, health } = server
        const isWell = troubleOf(server) === ''
        return [
          paint('bold', name),
          pool,
          String(weight),
          String(inFlight),
          state === 'ready' ? state : paint('yellow', server.drained ? `${state}, drained` : state),
          paint(isWell ? 'green' : health === 'up' ? 'yellow' : 'red', health),
          harmless([url, addressText(server), probeText(server)].filter((part) => part !== '').join(' ')),
        ]
      }),
    ],
    [2, 3],
    columns,
  )
}

/** The addresses of a name, and whether they are the last known ones. */
function addressText({ dns }: Server): string {
  if (dns === undefined) return ''
  const { server, addresses, problem, vanishedAt } = dns
  const parts = [
    ...(server === undefined && addresses.length > 0 ? [addresses.join(', ')] : []),
    ...(problem === null ? [] : [problem]),
    ...(vanishedAt === undefined ? [] : ['not in DNS any more']),
  ]
  return parts.length === 0 ? '' : `(${parts.join('; ')})`
}

function probeText({ lastProbe }: Server): string {
  if (lastProbe === null) return ''
  const { ok, status, ms, error } = lastProbe
  return ok ? `${status ?? 'ok'} in ${Math.round(ms)}ms` : (error ?? 'failed')
}
