import type { Command } from 'commander'
import { asDuration } from '../durations.ts'
import { readDuration, readNumber, type WriteFlags, withExamples, withWrite } from '../options.ts'
import { act } from '../session.ts'
import { writeService } from '../tell-written.ts'

export function addStop(program: Command): void {
  const command = program
    .command('stop')
    .description('answer all requests of a service with a message until it is resumed; those in flight finish')
    .argument('<service>', 'name of the service')
    .option('--message <text>', 'text of the answer')
    .option('--status <code>', 'status of the answer (default: 503)', readNumber(400, 599, true))
    .option('--retry-after <time>', 'when clients should come back (default: 30s)', readDuration)
  withExamples(withWrite(command), [
    ['cutover stop shop --message "Back at 14:00."', '503 with this text'],
    ['cutover stop shop --status 410 --wait', 'until nothing is in flight in the whole fleet'],
  ])
  command.action(
    act<WriteFlags & { message?: string; status?: number; retryAfter?: number }>(
      async (session, [service = ''], { message, status, retryAfter, ...flags }) => {
        const given = { message, status, retryAfter: asDuration(retryAfter) }
        return writeService(session, service, flags, (sent) =>
          session.client.services.stop(service, { ...given, ...sent }),
        )
      },
    ),
  )
}
