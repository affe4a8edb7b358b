import type { Command } from 'commander'
import { withConnection, withExamples } from '../../options.ts'
import { act } from '../../session.ts'
import { tellPlan } from './plan.ts'
import { type WantedOptions, wantedOf, withWanted } from './wanted.ts'

export function addLint(rollout: Command): void {
  const command = rollout
    .command('lint')
    .description('what a rollout would do, and what each step can find at the traffic of now; changes nothing')
  withExamples(withConnection(withWanted(command)), [
    ['cutover rollout lint shop', 'the default of shop'],
    ['cutover rollout lint shop green -f rollout.yaml', 'all mistakes in a file, with their paths'],
  ])
  command.action(
    act<WantedOptions>(async (session, [service = '', pool], options) =>
      tellPlan(session, service, await wantedOf(pool, options)),
    ),
  )
}
