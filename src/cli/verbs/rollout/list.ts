import type { Command } from 'commander'
import type { Rollout } from '../../../client/create-client.ts'
import { spoken } from '../../durations.ts'
import { EXIT } from '../../exit-codes.ts'
import { withConnection, withExamples } from '../../options.ts'
import type { Paint } from '../../output/paint.ts'
import { tableLines } from '../../output/table.ts'
import { act } from '../../session.ts'
import { lookOf, percent, stateOf } from './words.ts'

export function addList(rollout: Command): void {
  const command = rollout.command('list').description('the rollouts of a service, newest first').argument('<service>')
  withConnection(command)
  withExamples(command, [
    ['cutover rollout list shop', 'a line for each'],
    ['cutover rollout list shop --json', 'the answer of the API'],
  ])
  command.action(
    act(async ({ client, terminal, isJson }, [service = '']) => {
      const answer = await client.rollouts.list(service)
      if (isJson) terminal.printJson(answer)
      else if (answer.rollouts.length === 0) terminal.tell(`${service} has no rollout.`)
      else terminal.print(...rolloutTable(answer.rollouts, terminal.paint, Date.now()))
      return EXIT.done
    }),
  )
}

function rolloutTable(rollouts: readonly Rollout[], paint: Paint, nowMs: number): string[] {
  const heads = ['ID', 'FROM', 'TO', 'STATE', 'STEP', 'WEIGHT', 'STARTED', 'BY']
  return tableLines([
    heads.map((head) => paint('dim', head)),
    ...rollouts.map((rollout) => {
      const { id, from, to, step, weight, startedAt, by } = rollout
      const { mark, ink } = lookOf(rollout)
      const at = step.kind === null ? 'all' : `${step.index}/${step.of}`
      const ago = `${spoken(Math.max(0, nowMs - Date.parse(startedAt)))} ago`
      return [id, from, to, paint(ink, `${mark} ${stateOf(rollout)}`), at, percent(weight.set), ago, by]
    }),
  ])
}
