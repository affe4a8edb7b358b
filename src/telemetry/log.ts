import { type Logger, pino } from 'pino'
import { Output } from './output.ts'

const STANDARD_ERROR = 2

/**
 * Opens the log of a process, on standard error; a slow reader never blocks the process. `base`: fields of every line.
 */
export function openLog(base: Readonly<Record<string, unknown>>): Logger {
  const output = new Output(STANDARD_ERROR, (dropped) =>
    log.warn({ dropped }, 'lines of this log were dropped because they were not read in time'),
  )
  const log = pino({ name: 'cutover', base: { pid: process.pid, ...base } }, output)
  process.once('exit', () => output.flush())
  return log
}
