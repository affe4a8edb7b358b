import { ApiError, NoAnswerError } from '../client/create-client.ts'
import { spoken } from './durations.ts'
import { Interrupt, pause } from './interrupt.ts'
import { type WriteFlags, waitOf } from './options.ts'
import { Progress } from './output/progress.ts'
import type { Session } from './session.ts'

/** How long the API is let wait for each answer, ms: what is missing is known that often. */
const FIRST_SLICE_MS = 500
const SLICE_MS = 2_000
/** Time between two looks at what is under way, ms. */
const LOOK_MS = 1_000

/** What a write hands to the method of the client that carries it out. */
export interface SentOptions {
  readonly wait?: string
  readonly reason?: string
  readonly force?: boolean
  /** Of a POST; other methods can be repeated without it. */
  readonly idempotencyKey: string
  readonly signal: AbortSignal
}

/** How a write has gone; refusals are thrown. */
export type Written<A> =
  /** `wasLate`: an earlier answer said that it was made, and not complete. */
  | { readonly kind: 'done'; readonly answer: A; readonly wasLate: boolean }
  /** It is made, but not everywhere in force, or what it drains is busy. `why`: for people. */
  | { readonly kind: 'incomplete'; readonly revision: number; readonly missing: Missing; readonly why: string }
  /** `revision`: null = it is not known whether it is made. */
  | { readonly kind: 'interrupted'; readonly revision: number | null; readonly why: string }

/** What is particular about waiting for some writes. */
export interface WriteManner {
  /** The API answers only once, after all that there is to wait for. Says what is under way until then; asked each second. */
  readonly meanwhile?: (signal: AbortSignal) => Promise<readonly [headline: string, detail: string]>
  /** What stands after Ctrl-C before the API has answered. */
  readonly unanswered?: string
}

/** What the fleet still has to do, as the API says it with 504. */
export interface Missing {
  readonly lagging?: readonly string[]
  readonly underWay?: readonly { readonly name: string; readonly inFlight: number; readonly at?: readonly string[] }[]
  readonly handovers?: readonly { readonly instance: string; readonly waitsFor: string }[]
}

/**
 * Carries out a write, and waits for the fleet if asked to. The request is sent again and again with one Idempotency-Key, and
 * a short time to wait: it is carried out once, each answer says what is still missing, and Ctrl-C finds a change that
 * certainly stands. Throws ApiError and NoAnswerError.
 */
export async function write<A>(
  session: Session,
  flags: WriteFlags,
  send: (options: SentOptions) => Promise<A>,
  { meanwhile, unanswered = UNANSWERED }: WriteManner = {},
): Promise<Written<A>> {
  const waitMs = waitOf(flags)
  const interrupt = new Interrupt()
  const progress = new Progress(session.terminal.stderr)
  const options = {
    ...(flags.reason === undefined ? {} : { reason: flags.reason }),
    ...(flags.force === true ? { force: true } : {}),
    idempotencyKey: crypto.randomUUID(),
    signal: interrupt.signal,
  }
  let known: { readonly revision: number; readonly missing: Missing } | null = null
  const answered = new AbortController()
  if (meanwhile !== undefined) void showMeanwhile(progress, meanwhile, answered.signal)
  try {
    for (let slice = FIRST_SLICE_MS; ; slice = SLICE_MS) {
      const rest = waitMs - progress.elapsedMs
      const left = meanwhile === undefined ? Math.min(slice, rest) : known === null ? waitMs : 0
      if (known !== null && left <= 0) {
        const why = `${standing(known.revision)}, but after ${spoken(waitMs)}: ${sentence(known.missing)}`
        return { kind: 'incomplete', ...known, why }
      }
      try {
        const wait = waitMs === 0 ? {} : { wait: `${Math.max(1, Math.round(left))}ms` }
        return { kind: 'done', answer: await send({ ...options, ...wait }), wasLate: known !== null }
      } catch (error) {
        if (interrupt.isPressed) return interrupted(known, unanswered)
        const late = lateness(error)
        if (late !== null) known = late
        else if (known === null || !(error instanceof NoAnswerError)) throw error
        // Once the change is known to stand, an instance that does not answer is only waited for.
        else await pause(FIRST_SLICE_MS, interrupt.signal)
        progress.show('in force', sentence(known?.missing ?? {}))
      }
    }
  } finally {
    answered.abort()
    progress.end()
    interrupt.end()
  }
}

const UNANSWERED = 'The change may have been made: look at the state before you repeat it.'

function interrupted(known: { readonly revision: number } | null, unanswered: string): Written<never> {
  const why =
    known === null
      ? `Interrupted. ${unanswered}`
      : `Interrupted. ${standing(known.revision)}; it is only not waited for any more.`
  return { kind: 'interrupted', revision: known?.revision ?? null, why }
}

/** Shows what is under way, each second until `signal` is aborted. */
async function showMeanwhile(
  progress: Progress,
  meanwhile: NonNullable<WriteManner['meanwhile']>,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await pause(LOOK_MS, signal)
    // The write itself reports what is wrong.
    const said = await meanwhile(signal).catch(() => null)
    if (signal.aborted) return
    if (said !== null) progress.show(...said)
  }
}

function standing(revision: number): string {
  return `The change stands (revision ${revision})`
}

/** What is missing by an answer of 504; null = it is another error. */
function lateness(error: unknown): { readonly revision: number; readonly missing: Missing } | null {
  if (!(error instanceof ApiError) || error.status !== 504) return null
  const { revision, missing } = error.body as { readonly revision?: number; readonly missing?: Missing }
  return revision === undefined || missing === undefined ? null : { revision, missing }
}

/** What is missing, and where. */
function sentence({ lagging = [], underWay = [], handovers = [] }: Missing): string {
  const parts = [
    ...(lagging.length === 0 ? [] : [`${lagging.join(', ')} has to apply it`]),
    ...handovers.map(({ waitsFor }) => waitsFor),
    ...underWay.map(({ name, inFlight, at = [] }) => {
      const where = at.length === 0 ? '' : ` at ${at.join(', ')}`
      return `${name} has ${inFlight} request${inFlight === 1 ? '' : 's'} in flight${where}`
    }),
  ]
  return parts.length === 0 ? 'the fleet does not answer' : parts.join('; ')
}
