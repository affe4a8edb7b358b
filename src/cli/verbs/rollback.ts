import type { Command } from 'commander'
import { readNumber, type WriteFlags, withExamples, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addRollback(program: Command): void {
  const command = program
    .command('rollback')
    .description('return a service to the routing decision before the current one, at once')
    .argument('<service>', 'name of the service')
    .option(
      '--revision <number>',
      'to the decision in force at this revision of the history',
      readNumber(0, 2 ** 53, true),
    )
  withExamples(withWrite(command), [
    ['cutover rollback shop --reason "errors in the cart"', 'the decision before this one'],
    ['cutover rollback shop --revision 42 --wait', 'the one of revision 42, until it is in force everywhere'],
  ])
  command.action(
    act<WriteFlags & { revision?: number }>(async (session, [service = ''], { revision, ...flags }) => {
      return writeService(session, service, flags, (sent) =>
        session.client.services.rollback(service, { revision, ...sent }),
      )
    }),
  )
}
