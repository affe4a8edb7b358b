import { emptyProxy, type ProxyDraft } from '../draft.ts'
import type { Report } from '../report.ts'
import { durationOf } from '../units.ts'
import type { Line, Section } from './parse.ts'
import type { ProxySection } from './sections.ts'

/** Time limits for clients. */
const TIMEOUTS: Readonly<Record<string, string>> = {
  'http-request': 'header',
  'http-keep-alive': 'keepAlive',
  client: 'idleBody',
  tunnel: 'tunnel',
}

/** Reads what holds for all clients: listeners, limits, time limits. */
export function readProxy(
  sections: readonly Section[],
  frontends: readonly ProxySection[],
  report: Report,
): ProxyDraft {
  const proxy = emptyProxy()
  for (const { kind, line, lines } of sections) if (kind === 'global') readGlobal(proxy, [line, ...lines], report)
  for (const frontend of frontends) readBinds(proxy, frontend, report)
  for (const [name, key] of Object.entries(TIMEOUTS)) {
    for (const line of new Set(frontends.flatMap((frontend) => frontend.all('timeout', name)))) {
      const duration = durationOf(line.words[2] ?? '', 'ms')
      const known = proxy.timeouts[key]
      if (duration === null) report.leftOut(line, 'it is no duration')
      else if (known === undefined) proxy.timeouts[key] = duration
      else if (known !== duration) report.differs(line, `proxy.timeouts.${key} holds for all requests; it is ${known}`)
    }
  }
  const listensForProxy = proxy.listen.some(({ proxyProtocol }) => proxyProtocol === true)
  if (listensForProxy) {
    proxy.trustedProxies.push('127.0.0.1/32')
    proxy.comments.push('proxyProtocol: put the networks of your load balancer into trustedProxies')
  }
  return proxy
}

function readGlobal(proxy: ProxyDraft, lines: readonly Line[], report: Report): void {
  for (const line of lines) {
    const [name = '', value = ''] = line.words
    if (name === 'global') report.take(line)
    else if (name === 'maxconn') {
      report.take(line)
      proxy.limits.connections = Number(value)
    } else if (name === 'nbthread' && Number(value) > 0) {
      report.take(line)
      proxy.workers = Number(value)
    }
  }
}

function readBinds(proxy: ProxyDraft, frontend: ProxySection, report: Report): void {
  for (const line of frontend.own('bind')) {
    const [, addresses = '', ...options] = line.words
    if (options.includes('ssl')) {
      report.leftOut(line, 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)')
      continue
    }
    for (const given of addresses.split(',')) {
      const address = addressOf(given)
      if (address === null) report.leftOut(line, 'Cutover listens on host and port, or on unix:/path')
      else {
        report.take(line)
        const isKnown = proxy.listen.some((each) => each.address === address)
        if (!isKnown)
          proxy.listen.push({ address, ...(options.includes('accept-proxy') ? { proxyProtocol: true } : {}) })
      }
    }
  }
}

function addressOf(given: string): string | null {
  const text = given.replace(/^(ipv4|ipv6|tcp4?|tcp6)@/, '')
  if (text.startsWith('/')) return `unix:${text}`
  if (text.startsWith('unix@/')) return text.replace('unix@', 'unix:')
  const [, host = '', port] = /^(.*):(\d+)$/.exec(text) ?? []
  if (port === undefined) return null
  if (host === '' || host === '*' || host === '0.0.0.0' || host === '::' || host === '[::]') return `:${port}`
  return host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`
}
