import { type Command, InvalidArgumentError, Option } from 'commander'
import { durationMs } from './durations.ts'

export const DEFAULT_ADMIN = 'http://127.0.0.1:9900'
/** Time of `--wait` without one. */
const WAIT_MS = 30_000

/** Options of every verb that talks to the admin API. */
export interface ConnectionOptions {
  readonly admin?: string
  readonly json?: boolean
}

/** Options of every write. */
export interface WriteFlags {
  readonly reason?: string
  readonly force?: boolean
  /** Milliseconds; true = for the usual time. */
  readonly wait?: number | true
  readonly local?: true
}

/** Adds the options of a verb that talks to the admin API. */
export function withConnection(command: Command): Command {
  return command
    .option(
      '--admin <urls>',
      `admin API; several of a fleet with commas between them (default: $CUTOVER_ADMIN, or ${DEFAULT_ADMIN})`,
    )
    .option('--json', 'print JSON: one document, or one a line while watching')
}

/** Adds the options of a write. */
export function withWrite(command: Command): Command {
  return withReason(command).option(
    '--wait [time]',
    'wait until it is in force in the whole fleet and what it drains is idle (default: 30s)',
    readDuration,
  )
}

/** Adds the options of a write that has a `--wait` of its own. */
export function withReason(command: Command): Command {
  return withConnection(command)
    .option('--reason <text>', 'why, for the history')
    .option('--force', 'do it even if that breaks a promise; recorded in the history')
}

/** Adds the option of a write that can be made at one instance alone. */
export function withLocal(command: Command): Command {
  const what = 'change only the instance that is asked, while the store is away; ends when it takes changes again'
  return command.addOption(new Option('--local', what).conflicts(['maint', 'weight', 'maxConnections']))
}

/** How long a write is waited for, ms; 0 = not at all. */
export function waitOf({ wait = 0 }: WriteFlags): number {
  return wait === true ? WAIT_MS : wait
}

/** Adds examples to the help of a command: the line, and what it does. */
export function withExamples(command: Command, examples: readonly (readonly [line: string, what: string])[]): Command {
  const lines = examples.flatMap(([line, what]) => [`  # ${what}`, `  ${line}`])
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

/** Reads a duration. Throws InvalidArgumentError. */
export function readDuration(text: string): number {
  const ms = durationMs(text)
  if (ms === null || ms === 0) throw new InvalidArgumentError('Expected a time such as 30s, 5m or 1h.')
  return ms
}

/** Reads a share such as 5, 5% or 0.5%, in percent. Throws InvalidArgumentError. */
export function readPercent(text: string): number {
  const [, digits] = /^(\d{1,3}(?:\.\d{1,4})?)\s?%?$/.exec(text) ?? []
  const percent = Number(digits)
  if (digits === undefined || percent > 100) throw new InvalidArgumentError('Expected a percentage such as 5 or 0.5%.')
  return percent
}

/** Reads a number of an option. Throws InvalidArgumentError. */
export function readNumber(least: number, most: number, isWhole = false): (text: string) => number {
  const what = isWhole ? 'a whole number' : 'a number'
  return (text) => {
    const value = Number(text)
    const fits = text.trim() !== '' && value >= least && value <= most && (!isWhole || Number.isInteger(value))
    if (!fits) throw new InvalidArgumentError(`Expected ${what} from ${least} to ${most}.`)
    return value
  }
}

/** Collects the values of an option that may be repeated, or have commas between its values. */
export function collect<T>(readOne: (text: string) => T): (text: string, before?: readonly T[]) => readonly T[] {
  return (text, before = []) => [...before, ...text.split(',').map((part) => readOne(part.trim()))]
}
