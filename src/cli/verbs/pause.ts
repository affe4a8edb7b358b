import type { Command } from 'commander'
import { asDuration } from '../durations.ts'
import { readDuration, readNumber, type WriteFlags, withExamples, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addPause(program: Command): void {
  const command = program
    .command('pause')
    .description('hold the requests of a service until it is resumed; with --wait: until nothing is in flight')
    .argument('<service>', 'name of the service')
    .option('--for <time>', 'max time that a request is held, then it is answered 504 (default: 30s)', readDuration)
    .option(
      '--max-held <number>',
      'max requests that each instance holds; further ones are answered 503',
      readNumber(1, 1e9, true),
    )
  withExamples(withWrite(command), [
    ['cutover pause shop --wait 30s', 'the quiet moment for a migration: exit code 0 = no server has a request'],
    ['cutover pause shop --for 2m --max-held 500', 'hold each request for two minutes at most'],
  ])
  command.action(
    act<WriteFlags & { for?: number; maxHeld?: number }>(async (session, [service = ''], options) => {
      const { for: forMs, maxHeld, ...flags } = options
      const given = { for: asDuration(forMs), maxHeld }
      return writeService(session, service, flags, (sent) =>
        session.client.services.pause(service, { ...given, ...sent }),
      )
    }),
  )
}
