import type { Command } from 'commander'
import type { ServersWritten } from '../../client/create-client.ts'
import type { ExitCode } from '../exit-codes.ts'
import type { WriteFlags } from '../options.ts'
import { troubleOf } from '../service-words.ts'
import type { Session } from '../session.ts'
import { tellWritten } from '../tell-written.ts'
import { type SentOptions, write } from '../write.ts'

/** Options that say which of several servers of a name are meant. */
export interface ServerScope {
  readonly service?: string
  readonly pool?: string
}

/** Adds the argument and the options that name a server. */
export function withServer(command: Command): Command {
  return command
    .argument('<server>', 'name of the server; in several pools: all of them')
    .option('--service <service>', 'only the server of this service')
    .option('--pool <pool>', 'only the server of this pool')
}

/** Carries out a write to servers of a name, and prints how each of them is then. Throws what `write` throws. */
export async function writeServer(
  session: Session,
  flags: WriteFlags,
  send: (options: SentOptions) => Promise<ServersWritten>,
): Promise<ExitCode> {
  const written = await write(session, flags, send)
  return tellWritten(session, written, sentenceOf, 'cutover status')
}

function sentenceOf({ servers }: ServersWritten): string {
  const each = servers.map((server) => {
    const { name, service, pool, weight, state } = server
    const trouble = troubleOf(server)
    const how = state === 'ready' ? `ready, weight ${weight}${trouble === '' ? '' : `; ${trouble}`}` : trouble
    return `${service}/${pool}/${name}: ${how}`
  })
  return each.join('; ')
}
