import type { Command } from 'commander'
import { type WriteFlags, withExamples, withLocal, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { type ServerScope, withServer, writeServer } from './server-options.ts'

export function addDrain(program: Command): void {
  const command = program
    .command('drain')
    .alias('disable')
    .description('take a server out: no new requests, and those in flight finish')
  withServer(command).option('--maint', 'state maint: no health checks either')
  withExamples(withLocal(withWrite(command)), [
    ['cutover drain blue1 --wait 60s', 'exit code 0 = no request is in flight there, in the whole fleet'],
    ['cutover drain blue1 --maint --service shop --reason "new disk"', 'for longer work on the machine'],
  ])
  command.action(
    act<WriteFlags & ServerScope & { maint?: true }>(async (session, [server = ''], options) => {
      const { maint, service, pool, ...flags } = options
      const { servers } = session.client
      const scope = session.scopeOf(flags)
      return writeServer(session, flags, ({ idempotencyKey, ...sent }) =>
        maint === true
          ? servers.patch(server, { state: 'maint' }, { service, pool, ...sent })
          : servers.drain(server, { service, pool, scope, idempotencyKey, ...sent }),
      )
    }),
  )
}
