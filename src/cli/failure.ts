import { ApiError, NoAnswerError } from '../client/create-client.ts'
import { EXIT, type ExitCode } from './exit-codes.ts'
import type { Terminal } from './output/terminal.ts'
import { harmless } from './output/text.ts'
import { withSockets } from './undici-fetch.ts'
import { CannotDo, Unusable } from './unusable.ts'

/** Statuses of requests that were not understood, or name what is not there. */
const UNUSABLE: ReadonlySet<number> = new Set([400, 404, 422])
/** What the API says of its JSON, in terms of the command line. */
const IN_OPTIONS: readonly (readonly [RegExp, string])[] = [
  [/To do it nevertheless, send \{"force": true\}\./, 'To do it nevertheless, add --force.'],
  [/, or send \{"concurrency": "replace"\}/, ', or add --replace'],
  [/, or send \{"replace": true\}/, ', or add --replace'],
  [/ To change this instance alone meanwhile: \?scope=local on/, ' To change one instance alone meanwhile: --local on'],
  [/let this request supersede it\./, 'supersede it.'],
]

/** Tells why a command has failed, and what to do. Returns its exit code. Bugs are thrown on. */
export function tellFailure(error: unknown, terminal: Terminal): ExitCode {
  const { lines, code } = describe(error)
  const [first = '', ...rest] = lines.map(harmless)
  terminal.tell(`${terminal.paintError('red', 'error:')} ${first}`, ...rest)
  return code
}

function describe(error: unknown): { readonly lines: readonly string[]; readonly code: ExitCode } {
  if (error instanceof ApiError) return ofApi(error)
  if (error instanceof NoAnswerError) return { lines: [withSockets(error.message), ...NOBODY], code: EXIT.failed }
  if (error instanceof Unusable) return { lines: error.message.split('\n'), code: EXIT.unusable }
  if (error instanceof CannotDo) return { lines: error.message.split('\n'), code: EXIT.failed }
  throw error
}

const NOBODY = [
  'Is Cutover running there? Say where its admin API is with --admin URL or CUTOVER_ADMIN, or start it: cutover run --config FILE',
]

function ofApi({ status, title, detail, problems }: ApiError): { lines: readonly string[]; code: ExitCode } {
  const code = codeOf(status)
  if (problems.length > 0) return { lines: [`${title}:`, ...problems.map(problemLine)], code }
  const said = inOptions(detail)
  if (status === 401) return { lines: [said, 'Set CUTOVER_TOKEN to one of admin.tokens.'], code }
  return { lines: [said], code }
}

/** What the API has said, with options of the command line where it names JSON. */
export function inOptions(detail: string): string {
  return IN_OPTIONS.reduce((text, [pattern, option]) => text.replace(pattern, option), detail)
}

function codeOf(status: number): ExitCode {
  if (UNUSABLE.has(status)) return EXIT.unusable
  return status === 504 ? EXIT.timedOut : EXIT.failed
}

function problemLine({ path, message }: { readonly path: string; readonly message: string }): string {
  return path === '' ? `  ${message}` : `  ${path}: ${message}`
}

/** Whether the same request may succeed later: nobody has answered, or an instance has trouble of its own. */
export function isTemporary(error: unknown): error is Error {
  return error instanceof NoAnswerError || (error instanceof ApiError && error.status >= 500)
}
