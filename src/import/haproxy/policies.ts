import type { Settings } from '../draft.ts'
import type { Report } from '../report.ts'
import { durationOf, msOf } from '../units.ts'
import { readHealth } from './health.ts'
import type { ProxySection } from './sections.ts'
import type { ServerLine } from './servers.ts'

/** Reasons of `retry-on`, as causes in `retry.on`. */
const CAUSES: Readonly<Record<string, string>> = {
  'conn-failure': 'connect',
  'empty-response': 'reset',
  'response-timeout': 'timeout',
  'junk-response': 'invalid',
}
const NO_RETRY_BODY = [500, 502, 503, 504]

/** Reads what holds for the servers of a backend. */
export function readPolicies(proxy: ProxySection, servers: readonly ServerLine[], report: Report): Settings {
  return {
    balance: balanceOf(proxy, report),
    ...stickyOf(proxy, servers, report),
    health: readHealth(proxy, servers, report) ?? 'off',
    passive: passiveOf(servers, report),
    ...timeoutsOf(proxy, servers),
    ...connectionsOf(servers, report),
    retry: retryOf(proxy, report),
    ...slowStartOf(servers),
  }
}

function balanceOf(proxy: ProxySection, report: Report): string {
  const stick = proxy.own('stick', 'on').concat(proxy.own('stick', 'match'))[0]
  const [, , sample = ''] = stick?.words ?? []
  const byTable = stick === undefined ? null : keyOf(sample)
  if (stick !== undefined && byTable !== null) {
    report.take(...proxy.all('stick-table'), ...proxy.all('balance'))
    report.differs(
      stick,
      `clients stay by a hash (${byTable}) instead of a table: a server more or less moves its own part of them`,
    )
    return byTable
  }
  const line = proxy.one('balance')
  const [, algorithm = 'roundrobin', argument = ''] = line?.words ?? []
  const hashed = keyOf(algorithm === 'hash' ? argument : algorithm)
  if (algorithm === 'roundrobin' || algorithm === 'static-rr') return 'roundRobin'
  if (algorithm === 'leastconn' || algorithm.startsWith('random')) return 'leastRequest'
  if (hashed !== null) return hashed
  if (line !== undefined)
    report.differs(
      line,
      'Cutover balances by leastRequest, roundRobin or a hash of ip, path, header or cookie; here by leastRequest',
    )
  return 'leastRequest'
}

function keyOf(sample: string): string | null {
  const [, kind = '', name = ''] = /^(?:req\.)?(hdr|fhdr|cook)\(([\w-]+)\)$/.exec(sample) ?? []
  if (kind === 'cook') return `hash:cookie:${name}`
  if (kind !== '') return `hash:header:${name.toLowerCase()}`
  if (sample === 'source' || sample === 'src') return 'hash:ip'
  return sample === 'uri' || sample === 'path' ? 'hash:path' : null
}

/** `cookie NAME insert indirect nocache`, if servers have values for it. */
function stickyOf(proxy: ProxySection, servers: readonly ServerLine[], report: Report): Settings {
  const line = proxy.one('cookie')
  const [, cookie, ...options] = line?.words ?? []
  const isUsed = servers.some(({ options: of }) => of.has('cookie')) || options.includes('dynamic')
  if (line === undefined || cookie === undefined || !isUsed) return {}
  if (options.includes('rewrite') || options.includes('prefix'))
    report.differs(line, 'Cutover sets a cookie of its own; it does not change one of the app')
  const age = options[options.findIndex((word) => word === 'maxlife' || word === 'maxidle') + 1]
  const hasAge = options.includes('maxlife') || options.includes('maxidle')
  const ttl = hasAge && age !== undefined ? durationOf(age, 's') : null
  return { sticky: { cookie, ...(ttl === null || ttl === 0 ? {} : { ttl }) } }
}

function passiveOf(servers: readonly ServerLine[], report: Report): NonNullable<Settings['passive']> {
  const observed = servers.find(({ options }) => options.has('observe'))
  if (observed === undefined) return { maxFails: 0 }
  const onError = observed.options.get('on-error')
  if (onError !== undefined && onError !== 'mark-down')
    report.differs(observed.line, `Cutover ejects a server; it has no on-error ${onError}`)
  return { maxFails: Number(observed.options.get('error-limit') ?? 10) }
}

function timeoutsOf(proxy: ProxySection, servers: readonly ServerLine[]): Settings {
  const duration = (name: string) => {
    const text = proxy.one('timeout', name)?.words[2]
    return text === undefined ? null : durationOf(text, 'ms')
  }
  const [connect, server] = [duration('connect'), duration('server')]
  const isQueued = servers.some(({ options }) => options.has('maxconn'))
  // Without its own limit, requests wait in the queue of HAProxy as long as for a connection.
  const queue = duration('queue') ?? (isQueued ? connect : null)
  const timeouts = {
    ...(connect === null ? {} : { connect }),
    ...(server === null ? {} : { response: server, idle: server }),
    ...(queue === null || !isQueued ? {} : { queue }),
  }
  return Object.keys(timeouts).length === 0 ? {} : { timeouts }
}

function connectionsOf(servers: readonly ServerLine[], report: Report): Settings {
  const limited = servers.filter(({ options }) => options.has('maxconn'))
  const perServer = Number(limited[0]?.options.get('maxconn') ?? 0)
  for (const { line, options } of servers) {
    if (perServer > 0 && Number(options.get('maxconn') ?? 0) !== perServer)
      report.differs(
        line,
        'connections.perServer holds for all servers of a service; PATCH /api/servers/… {"maxConnections"} sets it for one',
      )
  }
  return perServer > 0 ? { connections: { perServer } } : {}
}

function retryOf(proxy: ProxySection, report: Report): NonNullable<Settings['retry']> {
  const attempts = Number(proxy.one('retries')?.words[1] ?? 3) + 1
  const line = proxy.one('retry-on')
  const reasons = line?.words.slice(1) ?? ['conn-failure']
  if (reasons.includes('none')) return { attempts: 1 }
  if (reasons.includes('all-retryable-errors')) return { attempts, on: Object.values(CAUSES), statuses: NO_RETRY_BODY }
  const on = reasons.flatMap((reason) => CAUSES[reason] ?? [])
  const statuses = reasons.filter((reason) => /^[45]\d\d$/.test(reason)).map(Number)
  const unknown = reasons.filter((reason) => CAUSES[reason] === undefined && !/^[45]\d\d$/.test(reason))
  if (line !== undefined && unknown.length > 0) report.leftOut(line, `retry.on has no ${unknown.join(', ')}`)
  return { attempts, on, ...(statuses.length === 0 ? {} : { statuses }) }
}

function slowStartOf(servers: readonly ServerLine[]): Settings {
  const text = servers.find(({ options }) => options.has('slowstart'))?.options.get('slowstart')
  const isTime = text !== undefined && (msOf(text, 'ms') ?? 0) > 0
  return isTime ? { slowStart: durationOf(text, 'ms') || '0s' } : {}
}
