import type { Command } from 'commander'
import type { Explanation } from '../../client/create-client.ts'
import { EXIT } from '../exit-codes.ts'
import { withConnection, withExamples } from '../options.ts'
import type { Paint } from '../output/paint.ts'
import { tableLines } from '../output/table.ts'
import { harmless } from '../output/text.ts'
import { tellRemarks } from '../remarks.ts'
import { percent } from '../service-words.ts'
import { act } from '../session.ts'

interface Asked {
  readonly host?: string
  readonly method?: string
  readonly path?: string
  readonly header?: readonly string[]
  readonly cookie?: readonly string[]
  readonly client?: string
}

export function addExplain(program: Command): void {
  const command = program
    .command('explain')
    .description('which pool and servers a request would get now, and why not the others')
    .argument('[service]', 'name of a service; by default the one that the host and path lead to')
    .option('--host <host>', 'host of the request; by default one of the service')
    .option('--method <method>', 'method of the request (default: GET)')
    .option('--path <path>', 'path and query of the request; by default the first path of the service')
    .option('--header <name:value>', 'a header field; may be repeated', collectText)
    .option('--cookie <name=value>', 'a cookie; may be repeated', collectText)
    .option('--client <address>', 'address of the client (default: 127.0.0.1)')
  withExamples(withConnection(command), [
    ['cutover explain shop --path /cart --header "X-Beta: 1"', 'a request with this header field'],
    [
      'cutover explain --host shop.example.com --cookie cutover_id=abc --client 192.0.2.7',
      'this client, wherever it leads',
    ],
  ])
  command.action(
    act<Asked>(async ({ client, terminal, isJson }, [service], { client: ip, host, method, path, header, cookie }) => {
      const asked = { host, method, path, header, cookie, ip }
      const answer = service === undefined ? await client.explain(asked) : await client.services.explain(service, asked)
      if (isJson) terminal.printJson(answer)
      else terminal.print(...explanationLines(answer, terminal.paint, terminal.tableColumns))
      tellRemarks(terminal, answer)
      return EXIT.done
    }),
  )
}

function explanationLines(explanation: Explanation, paint: Paint, columns: number): string[] {
  const { request, service, steps, pools, servers } = explanation
  const asked = `${request.method} ${request.host}${request.path} from ${request.ip}`
  const heads = (...names: string[]): string[] => names.map((name) => paint('dim', name))
  const blocks = [
    [`${harmless(asked)} → ${paint('bold', service === null ? 'no service' : whereTo(explanation))}`],
    tableLines(
      steps.map(({ step, result }) => [`  ${step}`, harmless(result)]),
      [],
      columns,
    ),
    tableLines(
      [
        heads('POOL', 'SHARE', 'GETS IT', 'WHY'),
        ...pools.map(({ name, share, gets, reason, from }) => [
          name,
          percent(share),
          gets === 'none' ? paint('dim', 'no') : paint('green', gets === 'all' ? 'yes' : 'by share'),
          harmless(from === undefined ? reason : `${reason}; this client from ${percent(from)} on`),
        ]),
      ],
      [1],
      columns,
    ),
    tableLines(
      [
        heads('SERVER', 'POOL', 'STATE', 'HEALTH', 'MAY', 'WHY'),
        ...servers.map(({ name, pool, state, health, may, reason }) => [
          name,
          pool,
          state,
          health,
          may ? paint('green', 'yes') : paint('dim', 'no'),
          harmless(reason),
        ]),
      ],
      [],
      columns,
    ),
  ]
  const [head = [], decision = [], ...tables] = blocks
  return [...head, ...decision, ...tables.filter((table) => table.length > 1).flatMap((table) => ['', ...table])]
}

function whereTo({ service, pool, pools }: Explanation): string {
  if (pool !== null) return `${service}, pool ${pool}`
  const isShared = pools.some(({ gets }) => gets === 'share')
  return `${service}, ${isShared ? 'a pool by its share' : 'no pool'}`
}

/** Values of a header may have commas, so that each has an option of its own. */
function collectText(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}
