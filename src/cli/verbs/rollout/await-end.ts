import type { Rollout } from '../../../client/create-client.ts'
import { spoken } from '../../durations.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { Interrupt } from '../../interrupt.ts'
import { Progress } from '../../output/progress.ts'
import { harmless } from '../../output/text.ts'
import type { Session } from '../../session.ts'
import { followed } from './follow.ts'
import { hasEnded, needsPerson } from './of-service.ts'
import { lookOf, metricInShort, percent, stateOf, whereOf, whyOf } from './words.ts'

/**
 * Waits until a rollout has ended, at most `waitMs`, with a line that shows how it stands. Exit code: done if it has
 * succeeded, failed if it was aborted or superseded. If it has not ended in time: needsPerson if it waits for one, otherwise
 * timedOut.
 */
export async function awaitEnd(session: Session, first: Rollout, waitMs: number): Promise<ExitCode> {
  const { client, terminal } = session
  const interrupt = new Interrupt()
  const progress = new Progress(terminal.stderr)
  const signal = AbortSignal.any([interrupt.signal, AbortSignal.timeout(Math.min(waitMs, MAX_TIMER_MS))])
  let last = first
  try {
    for await (const { rollout, problem } of followed(client, first, signal)) {
      last = rollout
      if (hasEnded(rollout)) break
      const details = [
        ...rollout.metrics.filter(({ ratio }) => ratio !== null && ratio > 1).map(metricInShort),
        ...[problem ?? whyOf(rollout)].filter((text) => text !== ''),
      ]
      progress.show(`${rollout.id} ${stateOf(rollout)}, ${whereOf(rollout)}`, harmless(details.join('; ')))
    }
  } finally {
    progress.end()
    interrupt.end()
  }
  if (hasEnded(last)) return tellEnd(session, last)
  if (interrupt.isPressed) {
    terminal.tell(`Interrupted. Rollout ${last.id} of ${last.service} goes on (${stateOf(last)}, ${whereOf(last)}).`)
    return EXIT.interrupted
  }
  if (session.isJson) terminal.printJson({ rollout: last })
  terminal.tell(`Rollout ${last.id} of ${last.service} has not ended after ${spoken(waitMs)}: ${sentenceOf(last)}`)
  terminal.tell(...nextSteps(last))
  return needsPerson(last) ? EXIT.needsPerson : EXIT.timedOut
}

/** The longest time of a timer. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Prints how a rollout stands. Exit code: failed if it was aborted or superseded, needsPerson if it waits for one. */
export function tellEnd({ terminal, isJson }: Session, rollout: Rollout): ExitCode {
  const { paint } = terminal
  const { mark, ink } = lookOf(rollout)
  if (isJson) terminal.printJson({ rollout })
  else terminal.print(`${paint(ink, mark)} ${rollout.service} ${rollout.id}: ${sentenceOf(rollout)}`)
  if (!needsPerson(rollout))
    return rollout.state === 'Aborted' || rollout.state === 'Superseded' ? EXIT.failed : EXIT.done
  terminal.tell(...nextSteps(rollout))
  return EXIT.needsPerson
}

/** State, step and reason in one sentence. */
export function sentenceOf(rollout: Rollout): string {
  const why = whyOf(rollout)
  const { from, to } = rollout
  switch (rollout.state) {
    case 'Succeeded':
      return `Succeeded; ${to} has all of the traffic`
    case 'Aborted':
      return `${stateOf(rollout)}${why === '' ? '' : `: ${why}`}; ${from} has all of the traffic`
    case 'Superseded':
      return `Superseded: another decision on the routing of ${rollout.service} has taken its place at ${percent(rollout.weight.set)}`
    default:
      return `${stateOf(rollout)}, ${whereOf(rollout)}${why === '' ? '' : `; ${why}`}`
  }
}

/** What a person can do about a rollout that waits for one. */
function nextSteps(rollout: Rollout): string[] {
  if (!needsPerson(rollout)) return []
  const { service, id, step } = rollout
  if (step.gate !== null)
    return [`Let it pass, or abort it: cutover rollout approve ${service} ${id}, or reject ${service} ${id}`]
  return [`Go on, or abort it: cutover rollout resume ${service} ${id}, or abort ${service} ${id}`]
}
