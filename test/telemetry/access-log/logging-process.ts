/**
 * A process that logs as one of several workers: `node logging-process.ts SERVER`. Logs lines to standard output for a
 * second, then prints to standard error, as JSON, how many it has logged and how many of them were dropped.
 */
import { writeSync } from 'node:fs'
import { AccessLog } from '../../../src/telemetry/access-log/access-log.ts'
import { PLAIN } from './records.ts'

const DURATION_MS = 1_000
const [server = ''] = process.argv.slice(2)
const settings = { format: 'json', sample: 1, file: '' } as const
const accessLog = new AccessLog(settings, { error: () => undefined, warn: () => undefined }, true)
// Each of these characters takes three bytes.
const record = { ...PLAIN, server, version: '版'.repeat(200) }
const until = performance.now() + DURATION_MS
let logged = 0
while (performance.now() < until) {
  for (let i = 0; i < 20; i++) accessLog.log(record)
  logged += 20
  await new Promise((resolve) => setImmediate(resolve))
}
accessLog.close()
writeSync(2, JSON.stringify({ logged, dropped: accessLog.dropped }))
