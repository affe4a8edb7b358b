import { dirname } from 'node:path'
import { parseCidr } from '../../config/addresses.ts'
import { emptyProxy, type ProxyDraft } from '../draft.ts'
import type { Report } from '../report.ts'
import { bytesOf, durationOf, sizeOf } from '../units.ts'
import type { Directive } from './parse.ts'
import type { Scope } from './scope.ts'
import { endsTls, type ServerBlock } from './servers.ts'

/** Time limits for clients. */
const TIMEOUTS: Readonly<Record<string, string>> = {
  client_header_timeout: 'header',
  client_body_timeout: 'idleBody',
  keepalive_timeout: 'keepAlive',
}
/** The default of client_max_body_size. */
const MAX_BODY = '1m'
const TLS = 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)'

/** Reads what holds for all clients: listeners, limits, time limits, trusted proxies. */
export function readProxy(
  main: readonly Directive[],
  http: Scope,
  servers: readonly ServerBlock[],
  report: Report,
): ProxyDraft {
  const proxy = emptyProxy()
  const scopes = [http, ...servers.map(({ scope }) => scope), ...servers.flatMap((server) => locationsIn(server.scope))]
  readListens(proxy, servers, report)
  readTimeouts(proxy, scopes, report)
  readBodies(proxy, scopes, servers, report)
  readTrusted(proxy, scopes, report)
  readWorkers(proxy, main, report)
  readLog(proxy, [http, ...servers.map(({ scope }) => scope)], report)
  return proxy
}

function locationsIn(scope: Scope): readonly Scope[] {
  return (scope.blocks[0] ?? []).flatMap(({ name, block }) => {
    if (block === null || (name !== 'location' && name !== 'if')) return []
    const inside = scope.inside(block)
    return [inside, ...locationsIn(inside)]
  })
}

function readListens(proxy: ProxyDraft, servers: readonly ServerBlock[], report: Report): void {
  const addresses = new Map<string, boolean>()
  const without = servers.filter(({ listens }) => listens.length === 0)
  if (without.length > 0) addresses.set(':80', false)
  for (const listen of servers.flatMap(({ listens }) => listens)) {
    const address = addressOf(listen.args[0] ?? '')
    if (endsTls(listen)) report.leftOut(listen, TLS)
    else if (address === null) report.leftOut(listen, 'Cutover listens on host and port, or on unix:/path')
    else {
      report.take(listen)
      addresses.set(address, addresses.get(address) === true || listen.args.includes('proxy_protocol'))
    }
  }
  const all = [...addresses].map(([address, proxyProtocol]) => ({
    address,
    ...(proxyProtocol ? { proxyProtocol } : {}),
  }))
  // :80 and [::]:80 are one listener in Cutover: it accepts both families.
  proxy.listen = all.filter(
    ({ address }) => !address.startsWith('[::]:') || !addresses.has(address.slice('[::]'.length)),
  )
  if (proxy.listen.length === 0 && servers.length > 0)
    proxy.comments.push(
      'nginx listens for TLS only here. Give a listener tls (docs/tls.md); until then Cutover listens on 127.0.0.1:8080',
    )
  const [first, ...more] = servers.filter(({ isTls }) => !isTls)
  const ports = (server: ServerBlock | undefined) =>
    server?.listens
      .map(({ args }) => args[0])
      .toSorted()
      .join(' ')
  for (const server of more) {
    if (ports(server) !== ports(first) && server.listens[0] !== undefined)
      report.differs(
        server.listens[0],
        'a service of Cutover answers at every address that it listens on; hosts and paths tell services apart',
      )
  }
}

/** An address as Cutover has it: every interface is `:80`. */
function addressOf(text: string): string | null {
  if (text.startsWith('unix:')) return text
  if (/^\d+$/.test(text)) return `:${text}`
  if (/^\*:\d+$/.test(text) || /^0\.0\.0\.0:\d+$/.test(text)) return text.replace(/^[^:]*/, '')
  if (/^[^:[\]]+$/.test(text)) return `${text}:80`
  return /^(\[[0-9a-fA-F:.]+\]|[^:[\]]+):\d+$/.test(text) ? text : null
}

function readTimeouts(proxy: ProxyDraft, scopes: readonly Scope[], report: Report): void {
  for (const [name, key] of Object.entries(TIMEOUTS)) {
    for (const directive of scopes.flatMap((scope) => scope.own(name))) {
      const duration = durationOf(directive.args[0] ?? '', 's')
      const known = proxy.timeouts[key]
      report.take(directive)
      if (duration === null) report.leftOut(directive, 'it is no duration')
      else if (known === undefined) proxy.timeouts[key] = duration
      else if (known !== duration)
        report.differs(directive, `proxy.timeouts.${key} holds for all requests; it is ${known}`)
    }
  }
  const requests = scopes.flatMap((scope) => scope.own('keepalive_requests'))
  for (const directive of requests) {
    report.take(directive)
    proxy.limits.requestsPerConnection = Number(directive.args[0] ?? 0)
  }
}

/** client_max_body_size: Cutover has one for all requests, so it takes the largest. */
function readBodies(
  proxy: ProxyDraft,
  scopes: readonly Scope[],
  servers: readonly ServerBlock[],
  report: Report,
): void {
  const given = scopes.flatMap((scope) => scope.own('client_max_body_size'))
  const sizes = given.map((directive) => bytesOf(directive.args[0] ?? '') ?? 0)
  const isEverywhere = servers.every(({ scope }) => scope.one('client_max_body_size') !== undefined)
  const all = isEverywhere ? sizes : [...sizes, bytesOf(MAX_BODY) ?? 0]
  const largest = all.includes(0) ? 0 : Math.max(...all)
  proxy.limits.bodyBytes = sizeOf(largest)
  if (given.length === 0) proxy.comments.push('bodyBytes: the default of nginx, client_max_body_size 1m')
  for (const [index, directive] of given.entries()) {
    report.take(directive)
    if (sizes[index] !== largest)
      report.differs(
        directive,
        `proxy.limits.bodyBytes holds for all requests, so it is the largest: ${sizeOf(largest) || 'no limit'}`,
      )
  }
}

function readTrusted(proxy: ProxyDraft, scopes: readonly Scope[], report: Report): void {
  for (const directive of scopes.flatMap((scope) => scope.own('set_real_ip_from'))) {
    const [given = ''] = directive.args
    const network = given === 'unix:' ? 'unix' : parseCidr(given)
    if (network === undefined)
      report.leftOut(directive, 'proxy.trustedProxies holds networks; write the address of this name')
    else {
      report.take(directive)
      if (!proxy.trustedProxies.includes(network)) proxy.trustedProxies.push(network)
    }
  }
  for (const directive of scopes.flatMap((scope) => scope.own('real_ip_header'))) {
    const isUsual = /^(x-forwarded-for|proxy_protocol)$/i.test(directive.args[0] ?? '')
    if (isUsual) report.notNeeded(directive, 'Cutover takes the address from there if it trusts the proxy')
    else report.leftOut(directive, 'Cutover takes the address of a client from X-Forwarded-For or the PROXY protocol')
  }
  const listensForProxy = proxy.listen.some(({ proxyProtocol }) => proxyProtocol === true)
  if (!listensForProxy || proxy.trustedProxies.length > 0) return
  proxy.trustedProxies.push('127.0.0.1/32')
  proxy.comments.push('proxyProtocol: put the networks of your load balancer into trustedProxies')
}

function readWorkers(proxy: ProxyDraft, main: readonly Directive[], report: Report): void {
  for (const directive of main.filter(({ name }) => name === 'worker_processes')) {
    report.take(directive)
    const count = Number(directive.args[0])
    if (Number.isInteger(count)) proxy.workers = count
  }
}

function readLog(proxy: ProxyDraft, scopes: readonly Scope[], report: Report): void {
  const given = scopes.flatMap((scope) => scope.own('access_log'))
  const [first] = given
  for (const directive of given) {
    const [file = '', format = 'combined'] = directive.args
    const isUsual = file === 'off' || (!file.includes('$') && !file.startsWith('syslog:') && format === 'combined')
    if (directive !== first)
      report.leftOut(directive, 'Cutover has one access log for all services, which names the service')
    else if (!isUsual && file !== 'off')
      report.differs(
        directive,
        'the formats of Cutover are json, combined and logfmt; here it is json, to standard output',
      )
    else {
      report.take(directive)
      const isFile = file !== '/dev/stdout' && dirname(file) !== '.'
      proxy.accessLog = file === 'off' ? 'off' : { format: 'combined', ...(isFile ? { file } : {}) }
    }
  }
}
