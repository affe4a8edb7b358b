import type { ServerDraft, ServerTls, Settings, Target } from '../draft.ts'
import type { Fields } from '../fields.ts'
import { isVersionName, nameOf } from '../names.ts'
import { testsOf } from '../regexes.ts'
import type { Report } from '../report.ts'
import { durationOf } from '../units.ts'
import { setField } from './fields.ts'
import type { Segment } from './parse.ts'

/** Lines of a reverse_proxy, found by name and counted as taken. */
class Options {
  private readonly block: readonly Segment[]
  private readonly report: Report

  constructor(block: readonly Segment[], report: Report) {
    this.block = block
    this.report = report
  }

  all(name: string): readonly Segment[] {
    const found = this.block.filter(({ words }) => words[0] === name)
    this.report.take(...found)
    return found
  }

  one(name: string): Segment | undefined {
    return this.all(name).at(-1)
  }

  /** The first value of a line. */
  value(name: string): string | undefined {
    return this.one(name)?.words[1]
  }

  duration(name: string): string | 0 | null {
    const text = this.value(name)
    return text === undefined ? null : durationOf(text, 's')
  }
}

/** Names for what a reverse_proxy becomes. */
export interface Naming {
  /** For the service, the best one first. */
  readonly names: readonly string[]
  readonly pool: string
}

/** Reads a reverse_proxy. `fields`: changes of headers that hold around it. null = it has no server that can be said. */
export function readReverseProxy(
  segment: Segment,
  args: readonly string[],
  { names, pool }: Naming,
  fields: Fields,
  report: Report,
): Target | null {
  const options = new Options(segment.block ?? [], report)
  const addresses = [...args, ...options.all('to').flatMap(({ words }) => words.slice(1))]
  const dynamic = options.one('dynamic')
  if (dynamic !== undefined)
    report.leftOut(
      dynamic,
      'name the host as a server: Cutover looks it up again and again, and dns.all makes each address a server',
    )
  const transport = readTransport(options, report)
  const base = pool === 'main' ? nameOf(names[0] ?? 'app') : pool
  const weights = (options.one('lb_policy')?.words ?? []).slice(2)
  const isWeighted = options.value('lb_policy') === 'weighted_round_robin'
  const servers = addresses.flatMap((address, index): readonly ServerDraft[] => {
    const url = urlOf(address, transport.isTls)
    if (url === null) {
      report.leftOut(segment, `${address}: it is no host and port, and no socket file`)
      return []
    }
    const tls = url.startsWith('https:') && Object.keys(transport.tls).length > 0 ? { tls: transport.tls } : {}
    return [
      {
        name: serverName(url, `${base}-${index + 1}`),
        url,
        ...(isWeighted ? { weight: Number(weights[index] ?? 1) } : {}),
        ...tls,
      },
    ]
  })
  report.take(segment)
  if (servers.length === 0) return null
  const host = servers.length === 1 && !isSocketFile(servers[0]?.url) ? new URL(servers[0]?.url ?? '').host : null
  for (const line of options.all('header_up')) setField(fields, 'request', line, line.words.slice(1), host, report)
  for (const line of options.all('header_down')) setField(fields, 'response', line, line.words.slice(1), host, report)
  const settings: Settings = {
    ...balanceOf(options, report),
    health: healthOf(options, report),
    passive: passiveOf(options),
    ...retryOf(options, servers.length, report),
    ...transport.settings,
    ...fields.settings,
  }
  return { names: names.filter((name) => !isVersionName(name)), pools: [{ name: pool, servers }], settings }
}

function isSocketFile(url: string | undefined): boolean {
  return url?.startsWith('unix:') === true
}

function serverName(url: string, fallback: string): string {
  if (isSocketFile(url)) return fallback
  const { hostname } = new URL(url)
  return /^[\d.]+$|^\[/.test(hostname) || hostname === 'localhost' ? fallback : nameOf(hostname)
}

function urlOf(address: string, isTls: boolean): string | null {
  const [, file] = /^unix\/(\/[^|{}]+)$/.exec(address) ?? []
  if (file !== undefined) return isTls ? null : `unix:${file}`
  const [, scheme, rest = address] = /^(\w+):\/\/(.*)$/.exec(address) ?? []
  if (/^(unix|srv|h2c|udp|fd)/.test(address) || /[{}]/.test(address) || /:\d+-\d+$/.test(rest)) return null
  const wanted = scheme ?? (isTls || rest.endsWith(':443') ? 'https' : 'http')
  const host = rest.startsWith(':') ? `localhost${rest}` : rest
  const url = `${wanted}://${scheme === undefined && !/:\d+$/.test(host) ? `${host}:80` : host}`
  return /^https?$/.test(wanted) && URL.canParse(url) ? new URL(url).origin : null
}

const POLICIES: Readonly<Record<string, string>> = {
  random: 'leastRequest',
  random_choose: 'leastRequest',
  least_conn: 'leastRequest',
  round_robin: 'roundRobin',
  weighted_round_robin: 'roundRobin',
  ip_hash: 'hash:ip',
  client_ip_hash: 'hash:ip',
  uri_hash: 'hash:path',
}

function balanceOf(options: Options, report: Report): Settings {
  const line = options.one('lb_policy')
  const [, policy = 'random', name = 'lb'] = line?.words ?? []
  const balance = policy === 'header' ? `hash:header:${name.toLowerCase()}` : POLICIES[policy]
  if (policy === 'cookie') return { balance: 'leastRequest', sticky: { cookie: name } }
  if (line !== undefined && balance === undefined)
    report.differs(
      line,
      'Cutover balances by leastRequest, roundRobin or a hash of ip, path, header or cookie; here by leastRequest',
    )
  return { balance: balance ?? 'leastRequest' }
}

function healthOf(options: Options, report: Report): NonNullable<Settings['health']> {
  const path = options.value('health_uri') ?? options.value('health_path')
  const text = (name: string) => options.value(`health_${name}`)
  const bodyLine = options.one('health_body')
  const [body] = testsOf(bodyLine?.words[1] ?? '') ?? []
  if (path === undefined) return 'off'
  const contains = typeof body === 'object' ? body.contains : body
  if (bodyLine !== undefined && contains === undefined)
    report.leftOut(bodyLine, 'health.body is a text that the answer contains')
  const headers = (options.one('health_headers')?.block ?? []).map((line) => {
    report.take(line)
    return [line.words[0] ?? '', line.words[1] ?? ''] as const
  })
  const host = headers.find(([name]) => name.toLowerCase() === 'host')?.[1]
  const others = headers.filter(([name]) => name.toLowerCase() !== 'host')
  const [status, port, rise, fall, method] = ['status', 'port', 'passes', 'fails', 'method'].map(text)
  const methodLine = options.one('health_method')
  if (method !== undefined && method !== 'GET' && methodLine !== undefined)
    report.differs(methodLine, 'Cutover checks by GET')
  return {
    path,
    expect: status === undefined ? '200-299' : /^\dxx$/i.test(status) ? `${status[0]}00-${status[0]}99` : status,
    interval: options.duration('health_interval') || '30s',
    timeout: options.duration('health_timeout') || '5s',
    rise: Number(rise ?? 1),
    fall: Number(fall ?? 1),
    ...(port === undefined ? {} : { port: Number(port) }),
    ...(host === undefined ? {} : { host }),
    ...(others.length === 0 ? {} : { headers: Object.fromEntries(others) }),
    ...(contains === undefined ? {} : { body: contains }),
  }
}

function passiveOf(options: Options): NonNullable<Settings['passive']> {
  const failTimeout = options.duration('fail_duration')
  const maxFails = Number(options.value('max_fails') ?? 1)
  return failTimeout === null || failTimeout === 0 ? { maxFails: 0 } : { maxFails, failTimeout }
}

function retryOf(options: Options, servers: number, report: Report): Settings {
  const retries = options.value('lb_retries')
  const duration = options.one('lb_try_duration')
  const interval = options.one('lb_try_interval')
  if (interval !== undefined) report.notNeeded(interval, 'Cutover tries another server at once')
  if (retries !== undefined) return { retry: { attempts: Number(retries) + 1, on: ['connect'] } }
  if (duration === undefined) return {}
  report.differs(duration, 'Cutover bounds retries by their number (retry.attempts), not by time')
  return { retry: { attempts: Math.max(2, servers), on: ['connect'] } }
}

interface Transport {
  readonly isTls: boolean
  readonly tls: ServerTls
  readonly settings: Settings
}

function readTransport(outer: Options, report: Report): Transport {
  const line = outer.one('transport')
  const options = new Options(line?.block ?? [], report)
  if (line !== undefined && line.words[1] !== 'http') {
    report.leftOut(line, 'Cutover speaks HTTP to servers; put an HTTP server in front of FastCGI')
    for (const each of line.block ?? []) report.leftOut(each, 'its transport is left out')
    return { isTls: false, tls: {}, settings: {} }
  }
  const tlsLines = [
    'tls',
    'tls_insecure_skip_verify',
    'tls_server_name',
    'tls_trusted_ca_certs',
    'tls_trust_pool',
    'tls_client_auth',
  ].flatMap((name) => options.all(name))
  const pool = options.one('tls_trust_pool')?.words ?? []
  const ca = options.value('tls_trusted_ca_certs') ?? (pool[1] === 'file' ? pool[2] : undefined)
  const [, cert, key] = options.one('tls_client_auth')?.words ?? []
  const serverName = options.value('tls_server_name')
  const [connect, response, idle] = ['dial_timeout', 'response_header_timeout', 'read_timeout'].map((name) =>
    options.duration(name),
  )
  const timeouts = {
    ...(connect == null ? {} : { connect }),
    ...(response == null ? {} : { response }),
    ...(idle == null ? {} : { idle }),
  }
  const keepAlive = options.duration('keepalive')
  const perServer = Number(options.value('max_conns_per_host') ?? outer.value('unhealthy_request_count') ?? 0)
  const connections = {
    ...(perServer > 0 ? { perServer } : {}),
    ...(keepAlive === null || keepAlive === 0 ? {} : { keepAlive }),
  }
  return {
    isTls: tlsLines.length > 0,
    tls: {
      ...(serverName === undefined ? {} : { serverName }),
      ...(ca === undefined ? {} : { ca }),
      ...(cert === undefined || key === undefined ? {} : { cert, key }),
      ...(options.one('tls_insecure_skip_verify') === undefined ? {} : { insecure: true }),
    },
    settings: {
      ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
      ...(Object.keys(connections).length === 0 ? {} : { connections }),
    },
  }
}
