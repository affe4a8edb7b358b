import type { Command } from 'commander'
import { asDuration } from '../durations.ts'
import { readDuration, type WriteFlags, withExamples, withLocal, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addSwitch(program: Command): void {
  const command = program
    .command('switch')
    .description('move all requests of a service to one pool, if enough of its servers are up')
    .argument('<service>', 'name of the service')
    .argument('[pool]', 'pool that gets all requests; with two pools, by default the other one')
    .option('--drain <time>', 'cut what is still in flight at the old pool after this time', readDuration)
  withExamples(withLocal(withWrite(command)), [
    ['cutover switch shop green', 'all requests to green; blue finishes what it has'],
    [
      'cutover switch shop --wait 60s --reason "release 1.5"',
      'to the other pool, until the old one is idle everywhere',
    ],
  ])
  command.action(
    act<WriteFlags & { drain?: number }>(async (session, [service = '', to], { drain, ...flags }) => {
      const given = { to, drain: asDuration(drain), scope: session.scopeOf(flags) }
      return writeService(session, service, flags, (sent) =>
        session.client.services.switch(service, { ...given, ...sent }),
      )
    }),
  )
}
