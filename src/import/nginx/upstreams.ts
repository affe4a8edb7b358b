import type { PoolDraft, ServerDraft, Settings } from '../draft.ts'
import { nameOf } from '../names.ts'
import type { Report } from '../report.ts'
import { durationOf, weightsWithin } from '../units.ts'
import type { Directive } from './parse.ts'

export interface Upstream {
  readonly directive: Directive
  readonly pool: PoolDraft
  readonly settings: Settings
  /** Servers that take requests. */
  readonly count: number
}

/** Parameters of `server` that have no counterpart and need none. */
const NO_NEED: Readonly<Record<string, string>> = {
  resolve: 'names are looked up again every 15 s',
  'fail_timeout=0': 'there is nothing to count',
}

/** Reads an `upstream` block, for servers that are reached by `scheme`. */
export function readUpstream(directive: Directive, scheme: 'http' | 'https', report: Report): Upstream {
  report.take(directive)
  const name = nameOf(directive.args[0] ?? '')
  const lines = (directive.block ?? []).filter((each) => each.name === 'server')
  const read = lines.map((line, index) => readServer(line, `${name}-${index + 1}`, scheme, report))
  const known = read.filter((each) => each !== null)
  const weights = weightsWithin(known.map(({ server }) => server.weight ?? 1))
  const servers = known.map(({ server }, index) => ({ ...server, weight: weights[index] ?? 1 }))
  return {
    directive,
    pool: { name, servers },
    settings: {
      balance: balanceOf(directive, report),
      ...passiveOf(known, report),
      ...limitsOf(directive, known, report),
      ...stickyOf(directive, report),
    },
    count: servers.filter(({ weight }) => weight > 0).length,
  }
}

interface ReadServer {
  readonly line: Directive
  readonly server: ServerDraft
  readonly options: ReadonlyMap<string, string>
}

function readServer(line: Directive, name: string, scheme: string, report: Report): ReadServer | null {
  const [address = '', ...parameters] = line.args
  report.take(line)
  const url = urlOf(address, scheme)
  if (url === null) {
    report.leftOut(line, 'it is no host and port, and no socket file without TLS')
    return null
  }
  const options = new Map(parameters.map((parameter) => parameter.split(/=(.*)/s) as [string, string]))
  for (const option of options.keys()) {
    const isKnown = ['weight', 'backup', 'down', 'max_fails', 'fail_timeout', 'max_conns', 'slow_start'].includes(
      option,
    )
    if (!isKnown && NO_NEED[option] === undefined) report.leftOut(line, `a server of Cutover has no ${option}`)
  }
  const isDown = options.has('down')
  const weight = isDown ? 0 : Number(options.get('weight') ?? 1)
  return {
    line,
    options,
    server: {
      name,
      url,
      weight,
      backup: options.has('backup'),
      ...(isDown ? { comment: 'down in nginx; a weight above 0 gives it requests' } : {}),
    },
  }
}

/** The URL of a server, or `unix:` and the path of its socket file; null = no address. */
export function urlOf(address: string, scheme: string): string | null {
  if (/^unix:\/[^:$]+$/.test(address)) return scheme === 'http' ? address : null
  const url = `${scheme}://${address}`
  return address.startsWith('unix:') || address.includes('$') || !URL.canParse(url) ? null : new URL(url).origin
}

function balanceOf({ block }: Directive, report: Report): string {
  const chosen = block?.find(({ name }) => ['least_conn', 'ip_hash', 'hash', 'random', 'least_time'].includes(name))
  if (chosen === undefined) return 'roundRobin'
  report.take(chosen)
  if (chosen.name === 'ip_hash') return 'hash:ip'
  if (chosen.name === 'hash') return hashOf(chosen, report)
  if (chosen.name === 'least_time') report.differs(chosen, 'Cutover balances by requests in flight, not by their time')
  return 'leastRequest'
}

function hashOf(directive: Directive, report: Report): string {
  const [key = ''] = directive.args
  const [, kind, name = ''] = /^\$\{?(http|cookie)_(\w+)\}?$/.exec(key) ?? []
  if (kind === 'cookie') return `hash:cookie:${name}`
  if (kind === 'http') return `hash:header:${name.replaceAll('_', '-')}`
  if (/^\$\{?(binary_)?remote_addr\}?$/.test(key)) return 'hash:ip'
  if (/^(\$scheme)?(\$(proxy_)?host)?\$\{?(request_uri|uri)\}?$/.test(key)) {
    if (key.includes('request_uri')) report.differs(directive, 'hash:path is the path without its query')
    return 'hash:path'
  }
  report.differs(
    directive,
    'Cutover hashes one of ip, path, header:NAME and cookie:NAME; here it balances by leastRequest',
  )
  return 'leastRequest'
}

/** `max_fails` and `fail_timeout`, which hold for a whole service in Cutover. */
function passiveOf(servers: readonly ReadServer[], report: Report): Settings {
  const given = servers.filter(({ options }) => options.has('max_fails') || options.has('fail_timeout'))
  const [first] = given
  if (first === undefined) return {}
  const read = ({ options }: ReadServer) => ({
    maxFails: Number(options.get('max_fails') ?? 1),
    failTimeout: durationOf(options.get('fail_timeout') ?? '10s', 's') || '10s',
  })
  const passive = read(first)
  for (const each of given) {
    if (JSON.stringify(read(each)) !== JSON.stringify(passive))
      report.differs(
        each.line,
        `max_fails and fail_timeout hold for all servers of a service; those of line ${first.line.line} are taken`,
      )
  }
  return { passive }
}

function limitsOf({ block }: Directive, servers: readonly ReadServer[], report: Report): Settings {
  const limits = servers.flatMap((each) => (each.options.has('max_conns') ? [each] : []))
  const [limited] = limits
  const perServer = Number(limited?.options.get('max_conns') ?? 0)
  for (const { line, options } of limits) {
    if (Number(options.get('max_conns')) !== perServer)
      report.differs(
        line,
        `connections.perServer holds for all servers of a service; PATCH /api/servers/… {"maxConnections"} sets it for one`,
      )
  }
  const slow = servers.find(({ options }) => options.has('slow_start'))?.options.get('slow_start')
  const slowStart = slow === undefined ? null : durationOf(slow, 's')
  const idle = block?.find(({ name }) => name === 'keepalive_timeout')
  const keepAlive = idle === undefined ? null : durationOf(idle.args[0] ?? '', 's')
  if (idle !== undefined && keepAlive !== null) report.take(idle)
  const connections = {
    ...(perServer > 0 ? { perServer } : {}),
    ...(keepAlive === null || keepAlive === 0 ? {} : { keepAlive }),
  }
  return {
    ...(Object.keys(connections).length === 0 ? {} : { connections }),
    ...(slowStart === null || slowStart === 0 ? {} : { slowStart }),
  }
}

/** `sticky cookie NAME expires=…` of nginx Plus. */
function stickyOf({ block }: Directive, report: Report): Settings {
  const line = block?.find(({ name }) => name === 'sticky')
  const [kind, cookie, ...parameters] = line?.args ?? []
  if (line === undefined || kind !== 'cookie' || cookie === undefined) return {}
  report.take(line)
  const expires = parameters.find((each) => each.startsWith('expires='))?.slice('expires='.length) ?? ''
  const ttl = durationOf(expires, 's')
  return { sticky: { cookie, ...(ttl === null || ttl === 0 ? {} : { ttl }) } }
}
