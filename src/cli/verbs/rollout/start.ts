import type { Command } from 'commander'
import { EXIT } from '../../exit-codes.ts'
import { readDuration, type WriteFlags, withExamples, withReason } from '../../options.ts'
import { tellRemarks } from '../../remarks.ts'
import { act } from '../../session.ts'
import { write } from '../../write.ts'
import { awaitEnd } from './await-end.ts'
import { tellPlan } from './plan.ts'
import { type WantedOptions, wantedOf, withWanted } from './wanted.ts'

type StartOptions = WantedOptions & WriteFlags & { readonly dryRun?: true }

export function addStart(rollout: Command): void {
  const command = rollout
    .command('start')
    .description('roll out a pool: steps that the traffic judges, to all of it or back to none')
  withReason(withWanted(command))
    .option('--dry-run', 'say what it would do, and change nothing')
    .option('--wait [time]', 'wait until it has ended, as status --wait does', readDuration)
  withExamples(command, [
    ['cutover rollout start shop green', '5, 25, 50 and 98 %, each judged for 5 minutes'],
    ['cutover rollout start shop --set-weight 1,10,50 --step-duration 10m --wait', 'exit code 0 = it has succeeded'],
  ])
  command.action(
    act<StartOptions>(async (session, [service = '', pool], options) => {
      const { client, terminal, isJson } = session
      const wanted = await wantedOf(pool, options)
      const { dryRun, wait, ...flags } = options
      if (dryRun === true) return tellPlan(session, service, wanted)
      const written = await write(session, flags, (sent) => client.rollouts.start(service, { ...wanted, ...sent }))
      if (written.kind !== 'done') {
        terminal.tell(written.why, `Look at it: cutover rollout list ${service}`)
        return written.kind === 'interrupted' ? EXIT.interrupted : EXIT.timedOut
      }
      const { rollout } = written.answer
      if ('changed' in written.answer) tellRemarks(terminal, written.answer)
      if (wait !== undefined) {
        terminal.tell(`Rollout ${rollout.id} of ${service} has begun: ${rollout.from} → ${rollout.to}`)
        return awaitEnd(session, rollout, wait === true ? Number.POSITIVE_INFINITY : wait)
      }
      if (isJson) terminal.printJson(written.answer)
      else {
        const { id, from, to, strategy, steps } = rollout
        terminal.print(
          `${service} ${id} has begun: ${from} → ${to}, ${strategy}, ${steps.length} steps`,
          `Watch it: cutover rollout get ${service} -w`,
        )
      }
      return EXIT.done
    }),
  )
}
