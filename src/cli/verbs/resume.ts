import type { Command } from 'commander'
import { type WriteFlags, withExamples, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addResume(program: Command): void {
  const command = program
    .command('resume')
    .description('serve the requests of a service again after pause or stop; those held go where it is right by then')
    .argument('<service>', 'name of the service')
  withExamples(withWrite(command), [
    ['cutover resume shop', 'the requests that are held are sent on'],
    ['cutover resume shop --wait', 'until every instance serves it again'],
  ])
  command.action(
    act<WriteFlags>(async (session, [service = ''], flags) => {
      return writeService(session, service, flags, (sent) => session.client.services.resume(service, sent))
    }),
  )
}
