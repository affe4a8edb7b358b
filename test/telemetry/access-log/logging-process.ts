/**
 * A process that logs as one of several workers. Logs five lines to standard output, which together have more bytes than
 * a pipe takes at once without mixing them with others', but fewer characters; prints to standard error how many were dropped.
 */
import { writeSync } from 'node:fs'
import { AccessLog } from '../../../src/telemetry/access-log/access-log.ts'
import { PLAIN } from './records.ts'

const settings = { format: 'json', sample: 1, file: '' } as const
const accessLog = new AccessLog(settings, { error: () => undefined, warn: () => undefined }, true)
// Each of these characters takes three bytes.
for (let i = 0; i < 5; i++) accessLog.log({ ...PLAIN, version: '版'.repeat(400) })
accessLog.close()
writeSync(2, `${accessLog.dropped}`)
