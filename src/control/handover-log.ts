import type { Logger } from 'pino'
import type { HandoverEvent } from './handovers.ts'

/** Logs the begin or the end of a handover. */
export function logHandover(log: Logger, { kind, services, missing }: HandoverEvent): void {
  const servers = missing.map(({ service, server, reason }) => `${server} of ${service} is ${reason}`)
  if (kind === 'begun')
    log.info({ services, waitsFor: servers }, 'a new definition waits for its servers; the previous one stays in force')
  else if (missing.length === 0) log.info({ services }, 'the new definition is in force')
  else log.warn({ services, missing: servers }, 'the new definition is in force, though servers of it are not up')
}
