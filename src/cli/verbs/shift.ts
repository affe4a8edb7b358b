import type { Command } from 'commander'
import { readPercent, type WriteFlags, withExamples, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addShift(program: Command): void {
  const command = program
    .command('shift')
    .description('give a pool this share of the requests; the other pools keep their proportions')
    .argument('<service>', 'name of the service')
    .argument('<pool>', 'pool whose share is set')
    .argument('<percent>', 'its share, such as 5 or 0.5%', readPercent)
  withExamples(withWrite(command), [
    ['cutover shift shop green 5', '5 % of the requests to green'],
    ['cutover shift shop green 0 --reason "too slow" --wait', 'none, until green is idle in the whole fleet'],
  ])
  command.action(
    act<WriteFlags>(async (session, [service = '', to = '', percent], flags) => {
      const given = { to, percent: Number(percent) }
      return writeService(session, service, flags, (sent) =>
        session.client.services.shift(service, { ...given, ...sent }),
      )
    }),
  )
}
