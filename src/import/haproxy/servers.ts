import type { ServerDraft, ServerTls } from '../draft.ts'
import { nameOf } from '../names.ts'
import type { Report } from '../report.ts'
import { weightsWithin } from '../units.ts'
import type { Line } from './parse.ts'
import type { ProxySection } from './sections.ts'

/** A `server` line: its options with those of default-server. */
export interface ServerLine {
  readonly line: Line
  readonly server: ServerDraft
  readonly options: ReadonlyMap<string, string>
}

/** Options that have a value behind them. */
const WITH_VALUE: ReadonlySet<string> = new Set(
  'weight maxconn minconn maxqueue inter fastinter downinter rise fall port addr cookie slowstart observe error-limit on-error on-marked-down on-marked-up check-sni sni ca-file crt verify verifyhost alpn check-alpn resolvers resolve-prefer resolve-opts resolve-net init-addr id source redir track ciphers ciphersuites crl-file proto check-proto pool-max-conn pool-purge-delay pool-low-conn max-reuse tcp-ut namespace agent-port agent-inter agent-addr agent-send error-limit usesrc interface shard set-proxy-v2-tlv-fmt log-proto hash-key ssl-min-ver ssl-max-ver proxy-v2-options ws'.split(
    ' ',
  ),
)
/** Options that are read here or by health.ts and policies.ts. */
const READ: ReadonlySet<string> = new Set(
  'weight maxconn inter rise fall port cookie slowstart observe error-limit on-error check backup disabled enabled ssl ca-file crt verify verifyhost sni check-ssl no-check no-backup no-ssl'.split(
    ' ',
  ),
)
/** Options that are not needed. */
const NOT_NEEDED: ReadonlySet<string> = new Set(
  'resolvers resolve-prefer resolve-opts init-addr id pool-max-conn pool-purge-delay pool-low-conn max-reuse check-sni on-marked-down alpn check-alpn ciphers ciphersuites ssl-min-ver ssl-max-ver no-sslv3 no-tlsv10 no-tlsv11 no-tls-tickets force-tlsv12 minconn proto'.split(
    ' ',
  ),
)

/** Reads the servers of a backend. */
export function readServers(proxy: ProxySection, report: Report): readonly ServerLine[] {
  const defaults = optionsOf(proxy.all('default-server').flatMap(({ words }) => words.slice(1)))
  for (const template of proxy.own('server-template'))
    report.leftOut(template, 'write out its servers: Cutover has the addresses of a name as one server')
  const read = proxy.own('server').flatMap((line) => readServer(line, defaults, report) ?? [])
  const weights = weightsWithin(read.map(({ server }) => server.weight ?? 1))
  return read.map((each, index) => ({ ...each, server: { ...each.server, weight: weights[index] ?? 1 } }))
}

function readServer(line: Line, defaults: ReadonlyMap<string, string>, report: Report): ServerLine | null {
  const [, name = '', address = '', ...words] = line.words
  report.take(line)
  const options = new Map([...defaults, ...optionsOf(words)])
  for (const off of ['check', 'backup', 'ssl']) if (options.has(`no-${off}`)) options.delete(off)
  const url = urlOf(address, options.has('ssl') ? 'https' : 'http')
  if (url === null) {
    report.leftOut(line, 'it is no host and port, and no socket file')
    return null
  }
  for (const option of options.keys()) {
    if (option.startsWith('send-proxy')) continue
    if (!READ.has(option) && !NOT_NEEDED.has(option)) report.leftOut(line, `a server of Cutover has no ${option}`)
  }
  const isDisabled = options.has('disabled')
  const weight = isDisabled ? 0 : Number(options.get('weight') ?? 1)
  return {
    line,
    options,
    server: {
      name: nameOf(name),
      url,
      weight,
      backup: options.has('backup'),
      ...proxyProtocolOf(options),
      ...(options.has('ssl') ? { tls: tlsOf(options) } : {}),
      ...(isDisabled ? { comment: 'disabled in HAProxy; a weight above 0 gives it requests' } : {}),
    },
  }
}

function optionsOf(words: readonly string[]): ReadonlyMap<string, string> {
  const options = new Map<string, string>()
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? ''
    options.set(word, WITH_VALUE.has(word) ? (words[++at] ?? '') : '')
  }
  return options
}

function proxyProtocolOf(options: ReadonlyMap<string, string>): Pick<ServerDraft, 'proxyProtocol'> {
  const sent = [...options.keys()].find((option) => option.startsWith('send-proxy'))
  if (sent === undefined) return {}
  return { proxyProtocol: sent.startsWith('send-proxy-v2') ? 'v2' : 'v1' }
}

function urlOf(address: string, scheme: 'http' | 'https'): string | null {
  const [, file] = /^(?:unix@)?(\/[^:]+)$/.exec(address) ?? []
  if (file !== undefined) return scheme === 'http' ? `unix:${file}` : null
  const plain = address.replace(/^(ipv4|ipv6|tcp4?|tcp6)@/, '')
  const withPort = /:\d+$/.test(plain) ? plain : `${plain}:${scheme === 'https' ? 443 : 80}`
  const url = `${scheme}://${withPort.replace(/^\*:/, '127.0.0.1:')}`
  return /^[\w.[\]:-]+$/.test(withPort) && !/^\w+@|^unix/.test(plain) && URL.canParse(url) ? new URL(url).origin : null
}

function tlsOf(options: ReadonlyMap<string, string>): ServerTls {
  const [, sni] = /^str\(([^)]+)\)$/.exec(options.get('sni') ?? '') ?? []
  const serverName = options.get('verifyhost') ?? sni
  const ca = options.get('ca-file')
  const crt = options.get('crt')
  return {
    ...(serverName === undefined ? {} : { serverName }),
    ...(ca === undefined || ca.startsWith('@') ? {} : { ca }),
    ...(crt === undefined ? {} : { cert: crt, key: crt }),
    ...(options.get('verify') === 'none' ? { insecure: true } : {}),
  }
}
