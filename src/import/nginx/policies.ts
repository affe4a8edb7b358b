import type { ServerTls, Settings } from '../draft.ts'
import type { Report } from '../report.ts'
import { durationOf } from '../units.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'

/** Conditions of proxy_next_upstream, as causes in `retry.on`. */
const CAUSES: Readonly<Record<string, readonly string[]>> = {
  error: ['connect', 'reset'],
  timeout: ['timeout'],
  invalid_header: ['invalid'],
}
const IDEMPOTENT_AND_MORE = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE', 'POST', 'PATCH']

/** Reads time limits, retries and what else holds for the servers of a location. `servers`: how many there are. */
export function readPolicies(scope: Scope, servers: number, report: Report): Settings {
  return { health: 'off', ...timeoutsOf(scope, report), ...retryOf(scope, servers, report) }
}

function timeoutsOf(scope: Scope, report: Report): Settings {
  const connect = durationIn(scope.one('proxy_connect_timeout'), report)
  const read = durationIn(scope.one('proxy_read_timeout'), report)
  const timeouts = {
    ...(connect === null ? {} : { connect }),
    ...(read === null ? {} : { response: read, idle: read }),
  }
  return Object.keys(timeouts).length === 0 ? {} : { timeouts }
}

/** The duration of a directive in seconds; null = there is none. */
export function durationIn(directive: Directive | undefined, report: Report): string | 0 | null {
  const duration = directive === undefined ? null : durationOf(directive.args[0] ?? '', 's')
  if (directive !== undefined && duration !== null) report.take(directive)
  return duration
}

function retryOf(scope: Scope, servers: number, report: Report): Settings {
  const given = scope.one('proxy_next_upstream')
  const tries = scope.one('proxy_next_upstream_tries')
  if (tries !== undefined) report.take(tries)
  if (given?.args.includes('off') === true) {
    report.take(given)
    return { retry: { attempts: 1 } }
  }
  // 0 = no limit: nginx tries each server once.
  const attempts = Number(tries?.args[0] ?? 0) || Math.max(servers, 1)
  if (given === undefined) return attempts <= 1 ? {} : { retry: { attempts, on: ['connect', 'reset', 'timeout'] } }
  report.take(given)
  const on = new Set<string>()
  const statuses: number[] = []
  const unknown: string[] = []
  for (const condition of given.args) {
    const [, status] = /^http_(\d{3})$/.exec(condition) ?? []
    for (const cause of CAUSES[condition] ?? []) on.add(cause)
    if (status !== undefined) statuses.push(Number(status))
    else if (CAUSES[condition] === undefined && condition !== 'non_idempotent') unknown.push(condition)
  }
  if (unknown.length > 0) report.leftOut(given, `retry.on has no ${unknown.join(', ')}`)
  const isForAll = given.args.includes('non_idempotent')
  return {
    retry: {
      attempts,
      on: [...on],
      ...(statuses.length === 0 ? {} : { statuses }),
      ...(isForAll ? { methods: IDEMPOTENT_AND_MORE } : {}),
    },
  }
}

/** TLS to the servers of a location. nginx verifies nothing unless it is told to. */
export function readTls(scope: Scope, report: Report): ServerTls {
  const text = (name: string) => {
    const directive = scope.one(name)
    if (directive !== undefined) report.take(directive)
    return directive?.args[0]
  }
  const verifies = text('proxy_ssl_verify') === 'on'
  const sendsName = scope.one('proxy_ssl_server_name')
  if (sendsName !== undefined) report.notNeeded(sendsName, 'Cutover always sends the name of the server')
  const [serverName, ca, cert, key] = ['name', 'trusted_certificate', 'certificate', 'certificate_key'].map((each) =>
    text(`proxy_ssl_${each}`),
  )
  return {
    ...(serverName === undefined || serverName.includes('$') ? {} : { serverName }),
    ...(ca === undefined || !verifies ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
    ...(verifies ? {} : { insecure: true }),
  }
}
