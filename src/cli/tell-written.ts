import type { Service } from '../client/create-client.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { WriteFlags } from './options.ts'
import { harmless } from './output/text.ts'
import { type Remarkable, tellRemarks } from './remarks.ts'
import { routingText } from './service-words.ts'
import type { Session } from './session.ts'
import { type SentOptions, type Written, write } from './write.ts'

/** What the answers to all writes have. */
export interface WriteAnswer extends Remarkable {
  readonly revision: number
  readonly changed: boolean
  readonly service?: Service | null
  readonly drained?: readonly string[]
  readonly cut?: number
}

/**
 * Prints how a write has gone: `sentenceOf` says what holds now. `look`: the command that shows how it stands, for one
 * that is not complete.
 */
export function tellWritten<A extends WriteAnswer>(
  { terminal, isJson }: Session,
  written: Written<A>,
  sentenceOf: (answer: A) => string,
  look: string,
): ExitCode {
  if (written.kind !== 'done') {
    if (isJson && written.kind === 'incomplete')
      terminal.printJson({ revision: written.revision, missing: written.missing })
    terminal.tell(harmless(written.why), `Look at it: ${look}`)
    return written.kind === 'interrupted' ? EXIT.interrupted : EXIT.timedOut
  }
  const { answer, wasLate } = written
  if (isJson) terminal.printJson(answer)
  else {
    const { revision, changed, drained = [], cut = 0 } = answer
    const idle = drained.length === 0 ? '' : `; ${drained.join(', ')} drained`
    const ended = cut === 0 ? '' : `; ${cut} request${cut === 1 ? '' : 's'} cut at the deadline`
    // A repetition that only waited says that it has changed nothing.
    const note = changed || wasLate ? `revision ${revision}` : 'nothing was to be changed'
    const sentence = harmless(`${sentenceOf(answer)}${idle}${ended}`)
    terminal.print(`${terminal.paint('green', '✔')} ${sentence} ${terminal.paint('dim', `(${note})`)}`)
  }
  tellRemarks(terminal, answer)
  return EXIT.done
}

/** What holds for a service after a write: `shop: all requests to green`. */
function serviceSentence(name: string, service: Service | null | undefined): string {
  if (!service) return `${name} was removed meanwhile`
  return `${name}: ${routingText(service)}${service.freeze === undefined ? '' : ', frozen'}`
}

/** Carries out a write to a service, and prints what holds for it then. Throws what `write` throws. */
export async function writeService<A extends WriteAnswer>(
  session: Session,
  service: string,
  flags: WriteFlags,
  send: (options: SentOptions) => Promise<A>,
): Promise<ExitCode> {
  const written = await write(session, flags, send)
  return tellWritten(
    session,
    written,
    (answer) => serviceSentence(service, answer.service),
    `cutover status ${service}`,
  )
}
