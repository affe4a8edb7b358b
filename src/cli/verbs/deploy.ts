import { type Command, InvalidArgumentError } from 'commander'
import type { Client, Deployed } from '../../client/create-client.ts'
import { asDuration, spoken } from '../durations.ts'
import type { ExitCode } from '../exit-codes.ts'
import { readDuration, type WriteFlags, withExamples, withWrite } from '../options.ts'
import { troubleOf } from '../service-words.ts'
import { act, type Session } from '../session.ts'
import { tellWritten } from '../tell-written.ts'
import { Unusable } from '../unusable.ts'
import { write } from '../write.ts'

interface DeployOptions extends WriteFlags {
  readonly pool?: string
  readonly server?: readonly NamedServer[]
  readonly version?: string
  readonly timeout?: number
  readonly drain?: number
  readonly replace?: true
}

type NamedServer = readonly [name: string, url: string]

export function addDeploy(program: Command): void {
  const command = program
    .command('deploy')
    .description('put servers into a pool without traffic, switch to it once all are up, wait for the old pool')
    .argument('<service>', 'name of the service')
    .option('--pool <pool>', 'a pool without a share, or a new one; of two, by default the one without')
    .option('--server <name=url>', 'a server of the pool; to be repeated for each', readServer)
    .option('--version <version>', 'version of the app; by default the name of the pool')
    .option(
      '--timeout <time>',
      'max time until all servers are up, and again for the old pool (default: 60s)',
      readDuration,
    )
    .option('--drain <time>', 'cut what is still in flight at the old pool after this time', readDuration)
    .option('--replace', 'end a deploy of the service that is under way')
  withExamples(withWrite(command), [
    ['cutover deploy shop --pool green --version 1.5.0 --server green1=http://10.0.1.1:9000', 'all at once'],
    [
      'cutover deploy shop --server g1=http://10.0.1.1:9000 --server g2=http://10.0.1.2:9000 --wait 5m',
      'until blue is idle',
    ],
  ])
  command.action(act<DeployOptions>(async (session, [service = ''], options) => deploy(session, service, options)))
}

async function deploy(session: Session, service: string, options: DeployOptions): Promise<ExitCode> {
  const client = session.patientClient
  const { pool, server = [], version, timeout, drain, replace, ...flags } = options
  if (server.length === 0)
    throw new Unusable(
      'say which servers run the new version: --server NAME=URL, such as --server green1=http://10.0.1.1:9000',
    )
  const given = {
    pool,
    servers: Object.fromEntries(server),
    version,
    timeout: asDuration(timeout),
    drain: asDuration(drain),
    replace,
  }
  const written = await write(session, flags, (sent) => client.services.deploy(service, { ...given, ...sent }), {
    meanwhile: (signal) => underWay(client, service, signal),
    unanswered: `The deploy goes on without this command; look at it: cutover status ${service}`,
  })
  const code = tellWritten(session, written, (answer) => sentenceOf(service, answer), `cutover status ${service}`)
  if (written.kind === 'done') tellMissing(session, written.answer)
  return code
}

/** What a deploy waits for: servers, and why they are not up; then the pools that it has taken the requests from. */
async function underWay(client: Client, service: string, signal: AbortSignal): Promise<readonly [string, string]> {
  const { deploying, pools } = await client.services.get(service, { signal })
  if (deploying === undefined) {
    const busy = pools.filter(({ share, inFlight }) => share === 0 && inFlight > 0)
    return ['in force', busy.map(({ name, inFlight }) => `${name} has ${requests(inFlight)} in flight`).join(', ')]
  }
  const servers = pools.find(({ name }) => name === deploying.pool)?.servers ?? []
  const waits = servers.map((each) => [each.name, troubleOf(each)] as const).filter(([, trouble]) => trouble !== '')
  return [`${deploying.pool} waits for its servers`, waits.map(([name, trouble]) => `${name} (${trouble})`).join(', ')]
}

function sentenceOf(service: string, { deploy }: Deployed): string {
  const { pool, version, times } = deploy
  const parts = [
    ...(times.healthy === null ? [] : [`up after ${spoken(times.healthy)}`]),
    ...(times.applied === null ? [] : [`in force ${spoken(times.applied)} later`]),
    ...(times.idle === null ? [] : [`the old pool idle after ${spoken(times.idle)}`]),
  ]
  return `${service}: all requests to ${pool}, version ${version}${parts.length === 0 ? '' : `; ${parts.join(', ')}`}`
}

/** Without `--wait`, what is still under way at the end of the timeout is no failure. */
function tellMissing({ terminal }: Session, { missing }: Deployed): void {
  for (const { name, inFlight } of missing?.underWay ?? [])
    terminal.tell(
      `${name} still has ${inFlight} request${inFlight === 1 ? '' : 's'} in flight; they end by themselves.`,
    )
}

function requests(count: number): string {
  return `${count} request${count === 1 ? '' : 's'}`
}

function readServer(text: string, before: readonly NamedServer[] = []): readonly NamedServer[] {
  const [, name = '', url = ''] = /^([^=\s]+)=(\S+)$/.exec(text) ?? []
  if (name === '') throw new InvalidArgumentError('Expected NAME=URL, such as green1=http://10.0.1.1:9000.')
  if (before.some(([other]) => other === name)) throw new InvalidArgumentError(`${name} is given twice.`)
  return [...before, [name, url]]
}
