import type { Logger } from 'pino'
import type { LookupChange } from '../discovery/discovery.ts'
import { problemOf } from './server-names.ts'

/** Logs that the lookups of a name fail, or that they succeed again. */
export function logLookup(
  log: Pick<Logger, 'info' | 'warn'>,
  { name, records, outcome, keepsLast }: LookupChange,
): void {
  const about = { dnsName: name, records: records === 'services' ? 'SRV' : 'addresses', outcome }
  const problem = problemOf(outcome)
  if (problem === null) log.info(about, 'a name of servers is found again')
  else if (keepsLast) log.warn(about, `a name of servers is not found (${problem}): its last addresses stay in use`)
  else log.warn(about, `a name of servers is not found (${problem}): it has no servers until it is`)
}
