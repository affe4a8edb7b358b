/**
 * A process whose files may not grow beyond what `ulimit -f` allows: `node limited-log-file.ts PATH`. Writes batches of
 * ten lines to the file until long after it is full, then one more line to a new file. Prints JSON.
 */
import { renameSync, writeSync } from 'node:fs'
import { LogFile } from '../../src/telemetry/log-file.ts'

const LINES = 1_000
const [path = ''] = process.argv.slice(2)
const told: string[] = []
const file = new LogFile(path, {
  error: (_: object, message: string) => told.push(message),
  warn: () => undefined,
} as never)

function line(number: number): string {
  return `${number} ${'x'.repeat(100)}\n`
}

for (let from = 0; from < LINES; from += 10) {
  file.write(Array.from({ length: 10 }, (_, i) => line(from + i)).join(''), 10)
}
renameSync(path, `${path}.1`)
file.reopen()
file.write(line(LINES), 1)
writeSync(1, JSON.stringify({ dropped: file.dropped, written: LINES + 1, told }))
