import { parseCidr } from '../../config/addresses.ts'
import type { ProxyDraft } from '../draft.ts'
import type { Report } from '../report.ts'
import { durationOf } from '../units.ts'
import type { Tree } from './tree.ts'

const TLS = 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)'

/** Why parts of a static configuration are left out. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  api: 'see the admin API of Cutover',
  ping: 'see /healthz and /ready of the admin API',
  metrics: 'see /metrics of the admin API',
  tracing: 'see telemetry.tracing (docs/tracing.md)',
  log: 'Cutover logs to standard error',
  certificatesresolvers: TLS,
  tls: TLS,
  tcp: 'Cutover forwards HTTP only',
  udp: 'Cutover forwards HTTP only',
  global: 'it concerns Traefik itself',
  providers: 'Cutover takes services from its file and its API',
  experimental: 'write a hook instead of a plugin (docs/programming.md)',
}

/** Reads entry points, the access log and what else a static configuration has for all clients. */
export function readStatic(root: Tree, proxy: ProxyDraft, report: Report): void {
  for (const [name, entry] of root.at('entryPoints')?.entries ?? []) readEntryPoint(name, entry, proxy, report)
  readAccessLog(root.at('accessLog'), proxy, report)
  if (proxy.listen.some(({ proxyProtocol }) => proxyProtocol === true) && proxy.trustedProxies.length === 0) {
    proxy.trustedProxies.push('127.0.0.1/32')
    proxy.comments.push('proxyProtocol: put the networks of your load balancer into trustedProxies')
  }
}

function readEntryPoint(name: string, entry: Tree, proxy: ProxyDraft, report: Report): void {
  const given = entry.text(report, 'address') ?? ''
  const [address = '', protocol = 'tcp'] = given.split('/')
  const statement = entry.at('address')?.statement ?? entry.statement
  const isTls = entry.at('http', 'tls') !== null || /:443$/.test(address) || name.toLowerCase() === 'websecure'
  const protocolTree = entry.at('proxyProtocol')
  if (protocol === 'udp') report.leftOut(statement, 'Cutover forwards HTTP only')
  else if (isTls) report.leftOut(statement, TLS)
  else if (address !== '') proxy.listen.push({ address, ...(protocolTree === null ? {} : { proxyProtocol: true }) })
  const trusted = [
    ...entry.list(report, 'forwardedHeaders', 'trustedIPs'),
    ...entry.list(report, 'proxyProtocol', 'trustedIPs'),
  ]
  const isOpen = entry.flag(report, 'forwardedHeaders', 'insecure') || entry.flag(report, 'proxyProtocol', 'insecure')
  for (const network of isOpen ? ['0.0.0.0/0', '::/0'] : trusted) {
    const parsed = parseCidr(network)
    if (parsed !== undefined && !proxy.trustedProxies.includes(parsed)) proxy.trustedProxies.push(parsed)
  }
  const times = entry.at('transport', 'respondingTimeouts')
  for (const [key, ours] of [
    ['readTimeout', 'request'],
    ['idleTimeout', 'keepAlive'],
  ] as const) {
    const duration = durationOf(times?.text(report, key) ?? '', 's')
    if (duration !== null && proxy.timeouts[ours] === undefined) proxy.timeouts[ours] = duration
  }
  for (const leaf of entry.at('http', 'redirections')?.leaves ?? [])
    report.leftOut(leaf, 'not imported: write redirectToHttps: true at the plain listener (docs/tls.md)')
  for (const leaf of entry.at('http', 'tls')?.leaves ?? []) report.leftOut(leaf, TLS)
}

function readAccessLog(tree: Tree | null, proxy: ProxyDraft, report: Report): void {
  if (tree === null || /^false$/i.test(tree.text(report) ?? '')) return
  const [format, file] = [tree.text(report, 'format') ?? 'common', tree.text(report, 'filePath')]
  proxy.accessLog = { format: format === 'json' ? 'json' : 'combined', ...(file === null ? {} : { file }) }
}

/** Reports every statement that nothing else has taken or reported. */
export function reportRest(root: Tree, report: Report): void {
  for (const [key, tree] of root.entries) {
    for (const leaf of tree.leaves) if (!report.knows(leaf)) report.leftOut(leaf, reasonFor(key, leaf.text))
  }
}

function reasonFor(key: string, text: string): string {
  if (/^http\.services\./i.test(text) || /^http\.middlewares\./i.test(text)) {
    return 'no router in the result uses it, or Cutover has nothing like it'
  }
  return LEFT_OUT[key.toLowerCase()] ?? 'Cutover has nothing like it'
}
