import type { Command } from 'commander'
import { type WriteFlags, withExamples, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addFreeze(program: Command): void {
  const command = program
    .command('freeze')
    .description('refuse changes of the routing of a service until it is unfrozen; abort and rollback stay possible')
    .argument('<service>', 'name of the service')
  withExamples(withWrite(command), [
    ['cutover freeze shop --reason "sale until Monday"', 'others read the reason when they are refused'],
    ['cutover freeze shop --wait', 'until every instance knows of it'],
  ])
  command.action(
    act<WriteFlags>(async (session, [service = ''], flags) => {
      return writeService(session, service, flags, (sent) => session.client.services.freeze(service, sent))
    }),
  )
}

export function addUnfreeze(program: Command): void {
  const command = program
    .command('unfreeze')
    .description('let the routing of a service be changed again after freeze')
    .argument('<service>', 'name of the service')
  withExamples(withWrite(command), [
    ['cutover unfreeze shop', 'switch, shift and rollouts are possible again'],
    ['cutover unfreeze shop --reason "the sale is over"', 'with a reason in the history'],
  ])
  command.action(
    act<WriteFlags>(async (session, [service = ''], flags) => {
      return writeService(session, service, flags, (sent) => session.client.services.unfreeze(service, sent))
    }),
  )
}
