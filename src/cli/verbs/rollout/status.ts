import type { Command } from 'commander'
import { readDuration, withConnection, withExamples } from '../../options.ts'
import { act } from '../../session.ts'
import { awaitEnd, tellEnd } from './await-end.ts'
import { rolloutOf } from './of-service.ts'

export function addStatus(rollout: Command): void {
  const command = rollout
    .command('status')
    .description(
      'how a rollout stands, in one sentence; exit code 1 if it was aborted or superseded, 3 if it waits for a person',
    )
    .argument('<service>')
    .argument('[id]')
    .option(
      '--wait [time]',
      'wait until it has ended; exit code 4 if it has not in this time, 3 if it waits for a person then',
      readDuration,
    )
  withConnection(command)
  withExamples(command, [
    ['cutover rollout status shop', 'at once'],
    ['cutover rollout status shop --wait 30m', 'for a script: 0 = it has succeeded'],
  ])
  command.action(
    act<{ wait?: number | true }>(async (session, [service = '', id], { wait }) => {
      const found = await rolloutOf(session.client, service, id)
      if (wait === undefined) return tellEnd(session, found)
      return awaitEnd(session, found, wait === true ? Number.POSITIVE_INFINITY : wait)
    }),
  )
}
