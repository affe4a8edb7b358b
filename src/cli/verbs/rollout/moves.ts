import { type Command, InvalidArgumentError } from 'commander'
import type { Client, Rollout } from '../../../client/create-client.ts'
import { EXIT, type ExitCode } from '../../exit-codes.ts'
import { readNumber, readPercent, type WriteFlags, withExamples, withWrite } from '../../options.ts'
import { tellRemarks } from '../../remarks.ts'
import { act, type Session } from '../../session.ts'
import { CannotDo } from '../../unusable.ts'
import { type SentOptions, type Written, write } from '../../write.ts'
import { sentenceOf } from './await-end.ts'
import { rolloutOf } from './of-service.ts'
import { lookOf, stateOf } from './words.ts'

type Answer = Awaited<ReturnType<Client['rollouts']['pause']>>
/** Sends a move of a rollout. */
type Send = (client: Client, rollout: Rollout, options: SentOptions) => Promise<Answer>
type Examples = readonly (readonly [line: string, what: string])[]

/** The verbs that move a rollout. */
export function addMoves(rollout: Command): void {
  for (const [name, what, examples] of PLAIN) {
    const send: Send = (client, { service, id }, options) => client.rollouts[name](service, id, options)
    add(rollout, name, what, examples, () => send)
  }
  const promote = add<{ full?: true; toStep?: number }>(
    rollout,
    'promote',
    'go on to the next step, to a later one, or to all of the traffic',
    [
      ['cutover rollout promote shop', 'to the next step'],
      ['cutover rollout promote shop --full --wait 1m', 'to all of the traffic, without the steps that are left'],
    ],
    ({ full, toStep }) =>
      (client, { service, id }, options) =>
        client.rollouts.promote(service, id, { full, toStep, ...options }),
  )
  promote.option('--full', 'skip all steps that are left')
  promote.option('--to-step <number>', 'the step to go on with, from 1', readNumber(1, 1_000, true))
  addSetWeight(rollout)
  for (const verb of ['approve', 'reject'] as const) addGate(rollout, verb)
}

const PLAIN: readonly (readonly [
  name: 'pause' | 'resume' | 'skip' | 'back' | 'abort' | 'retry',
  what: string,
  examples: Examples,
])[] = [
  [
    'pause',
    'hold it where it is; the canary keeps its share, and a failure still aborts it',
    [
      ['cutover rollout pause shop', 'the newest rollout of shop'],
      ['cutover rollout pause shop --reason "ask ann first"', 'shown to whoever looks'],
    ],
  ],
  [
    'resume',
    'go on after a pause; after one for lack of evidence, the step begins again',
    [
      ['cutover rollout resume shop', 'the newest rollout of shop'],
      ['cutover rollout resume shop r42', 'this one'],
    ],
  ],
  [
    'skip',
    'leave the current step, as if it had passed',
    [
      ['cutover rollout skip shop', 'the newest rollout of shop'],
      ['cutover rollout skip shop --reason "checked by hand"', 'with a note in the history'],
    ],
  ],
  [
    'back',
    'return to the weight before the current one',
    [
      ['cutover rollout back shop', 'the newest rollout of shop'],
      ['cutover rollout back shop --wait 30s', 'until that is in force everywhere'],
    ],
  ],
  [
    'abort',
    'take all requests from the canary at once',
    [
      ['cutover rollout abort shop --reason "wrong build"', 'the newest rollout of shop'],
      ['cutover rollout abort shop --wait 30s', 'until the canary is idle in the whole fleet'],
    ],
  ],
  [
    'retry',
    'begin the current step again with new evidence; of an aborted rollout, begin it anew',
    [
      ['cutover rollout retry shop', 'the newest rollout of shop'],
      ['cutover rollout retry shop r42', 'this one'],
    ],
  ],
]

function addSetWeight(rollout: Command): void {
  const command = rollout
    .command('set-weight')
    .description('give the canary another share within the current step')
    .argument('<service>')
    .argument('<percent>', 'such as 10', readPercent)
    .argument('[id]')
  withExamples(withWrite(command), [
    ['cutover rollout set-weight shop 10', '10 % of the requests'],
    ['cutover rollout set-weight shop 0.5 r42 --wait 30s', 'of this rollout, until it is in force everywhere'],
  ])
  command.action(
    act<WriteFlags>(async (session, [service = '', percent, id], flags) =>
      move(session, service, id, flags, (client, found, options) =>
        client.rollouts.setWeight(found.service, found.id, { percent: Number(percent), ...options }),
      ),
    ),
  )
}

function addGate(rollout: Command, verb: 'approve' | 'reject'): void {
  const what =
    verb === 'approve' ? 'let a rollout pass the gate it waits at' : 'abort a rollout at the gate it waits at'
  const command = add<{ gate?: string }>(
    rollout,
    verb,
    what,
    [
      [`cutover rollout ${verb} shop`, 'at the gate where it waits'],
      [`cutover rollout ${verb} shop --gate qa --reason "see ticket 42"`, 'only if it waits at this one'],
    ],
    ({ gate }) =>
      (client, found, options) =>
        client.rollouts[verb](found.service, found.id, gate ?? gateOf(found), options),
  )
  command.option('--gate <name>', 'name of the gate; by default the one it waits at', readName)
}

/** The gate at which a rollout waits. Throws CannotDo. */
function gateOf(rollout: Rollout): string {
  const { step, id, service } = rollout
  if (step.gate !== null) return step.gate
  throw new CannotDo(`Rollout ${id} of ${service} waits at no gate (${stateOf(rollout)}).`)
}

function readName(text: string): string {
  if (text === '') throw new InvalidArgumentError('Expected the name of a gate.')
  return text
}

function add<O extends object>(
  rollout: Command,
  name: string,
  what: string,
  examples: Examples,
  sendOf: (options: O) => Send,
): Command {
  const command = rollout.command(name).description(what).argument('<service>').argument('[id]')
  withExamples(withWrite(command), examples)
  command.action(
    act<O & WriteFlags>(async (session, [service = '', id], flags) => move(session, service, id, flags, sendOf(flags))),
  )
  return command
}

async function move(
  session: Session,
  service: string,
  id: string | undefined,
  flags: WriteFlags,
  send: Send,
): Promise<ExitCode> {
  const { client } = session
  const found = await rolloutOf(client, service, id)
  const written = await write(session, flags, (options) => send(client, found, options))
  return tellMove(session, written, found)
}

function tellMove({ terminal, isJson }: Session, written: Written<Answer>, { service, id }: Rollout): ExitCode {
  if (written.kind !== 'done') {
    terminal.tell(written.why, `Look at it: cutover rollout get ${service} ${id}`)
    return written.kind === 'interrupted' ? EXIT.interrupted : EXIT.timedOut
  }
  const { rollout, changed, drained = [] } = written.answer
  tellRemarks(terminal, written.answer)
  if (isJson) {
    terminal.printJson(written.answer)
    return EXIT.done
  }
  const { mark, ink } = lookOf(rollout)
  const idle = drained.length === 0 ? '' : `; ${drained.join(', ')} drained`
  const note = changed ? '' : ' (nothing was to be changed)'
  terminal.print(`${terminal.paint(ink, mark)} ${service} ${rollout.id}: ${sentenceOf(rollout)}${idle}${note}`)
  return EXIT.done
}
