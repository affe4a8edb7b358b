import { type Command, InvalidArgumentError } from 'commander'
import { readNumber, type WriteFlags, withExamples, withLocal, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { type ServerScope, withServer, writeServer } from './server-options.ts'

export function addEnable(program: Command): void {
  const command = program.command('enable').description('put a server back in: it takes requests once it is up')
  withServer(command)
    .option('--weight <number>', 'with this weight, 0 to 1000; configured = as in its definition', readWeight)
    .option(
      '--max-connections <number>',
      'max requests in flight there, per instance; 0 = no limit',
      readNumber(0, 1e6, true),
    )
  withExamples(withLocal(withWrite(command)), [
    ['cutover enable blue1', 'state ready'],
    ['cutover enable blue1 --weight 2 --wait', 'with twice the requests, in force in the whole fleet'],
  ])
  type Options = WriteFlags & ServerScope & { weight?: number | 'configured'; maxConnections?: number }
  command.action(
    act<Options>(async (session, [server = ''], { weight, maxConnections, service, pool, ...flags }) => {
      const { servers } = session.client
      const scope = session.scopeOf(flags)
      const isPlain = weight === undefined && maxConnections === undefined
      return writeServer(session, flags, ({ idempotencyKey, ...sent }) =>
        isPlain
          ? servers.enable(server, { service, pool, scope, idempotencyKey, ...sent })
          : servers.patch(
              server,
              { state: 'ready', weight: weight === 'configured' ? null : weight, maxConnections },
              { service, pool, ...sent },
            ),
      )
    }),
  )
}

/** Reads a weight. Throws InvalidArgumentError. */
function readWeight(text: string): number | 'configured' {
  if (text === 'configured') return text
  try {
    return readNumber(0, 1_000, true)(text)
  } catch {
    throw new InvalidArgumentError('Expected a whole number from 0 to 1000, or configured.')
  }
}
