import { type Logger, pino } from 'pino'
import { Output } from './output.ts'

const STANDARD_ERROR = 2

/** The log of a process, on standard error; no process waits for whoever reads it. `base`: on every line. */
export function openLog(base: Readonly<Record<string, unknown>>): Logger {
  const output = new Output(STANDARD_ERROR, (dropped) =>
    log.warn({ dropped }, 'lines of this log were dropped: nobody read them in time'),
  )
  const log = pino({ name: 'cutover', base: { pid: process.pid, ...base } }, output)
  process.once('exit', () => output.flush())
  return log
}
