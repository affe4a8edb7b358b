import type { Command } from 'commander'
import type { Rollout } from '../../../client/create-client.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { Interrupt } from '../../interrupt.ts'
import { withConnection, withExamples } from '../../options.ts'
import { Screen } from '../../output/screen.ts'
import { harmless } from '../../output/text.ts'
import { act, type Session } from '../../session.ts'
import { followed, type Look } from './follow.ts'
import { rolloutOf } from './of-service.ts'
import { rolloutTree } from './tree.ts'
import { metricInShort, stateOf, whereOf, whyOf } from './words.ts'

export function addGet(rollout: Command): void {
  const command = rollout
    .command('get')
    .description('a rollout as a tree: steps, weight, evidence, and what it waits for')
    .argument('<service>')
    .argument('[id]')
    .option('-w, --watch', 'go on until it has ended')
  withConnection(command)
  withExamples(command, [
    ['cutover rollout get shop', 'the newest rollout of shop'],
    ['cutover rollout get shop r42 -w', 'drawn anew each second, until it has ended'],
  ])
  command.action(
    act<{ watch?: true }>(async (session, [service = '', id], { watch }) => {
      const { client, terminal, isJson } = session
      const found = await rolloutOf(client, service, id)
      if (watch === true) return watched(session, found)
      if (isJson) terminal.printJson(await client.rollouts.get(service, found.id))
      else terminal.print(...treeOf(session, found))
      return EXIT.done
    }),
  )
}

function treeOf({ terminal }: Session, rollout: Rollout): string[] {
  return rolloutTree(rollout, { paint: terminal.paint, columns: terminal.size.columns, nowMs: Date.now() })
}

async function watched(session: Session, first: Rollout): Promise<ExitCode> {
  const { client, terminal, isJson } = session
  const interrupt = new Interrupt()
  const screen = new Screen(terminal.stdout)
  let before = ''
  try {
    for await (const look of followed(client, first, interrupt.signal)) {
      if (isJson || !terminal.isInteractive) {
        const line = isJson ? JSON.stringify({ rollout: look.rollout }) : lineOf(look)
        if (line !== before) terminal.print(isJson ? line : `${new Date().toISOString()}  ${line}`)
        before = line
        continue
      }
      const { rollout, problem } = look
      const trouble = problem === null ? [] : ['', terminal.paint('red', `${harmless(problem)}; asking again`)]
      screen.draw([...treeOf(session, rollout), ...trouble])
    }
  } finally {
    screen.end()
    interrupt.end()
  }
  return interrupt.isPressed ? EXIT.interrupted : EXIT.done
}

/** A rollout on one line, for those who read no screen. */
function lineOf({ rollout, problem }: Look): string {
  const why = whyOf(rollout)
  return [
    `${rollout.service} ${rollout.id} ${stateOf(rollout)}`,
    whereOf(rollout),
    ...rollout.metrics.filter(({ kind, canary }) => kind === 'web' || canary.requests > 0).map(metricInShort),
    ...(why === '' ? [] : [why]),
    ...(problem === null ? [] : [harmless(problem)]),
  ].join('; ')
}
