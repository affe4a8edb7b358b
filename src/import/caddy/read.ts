import { parseCidr } from '../../config/addresses.ts'
import { emptyProxy, type ProxyDraft } from '../draft.ts'
import type { Imported } from '../imported.ts'
import { hostOrder } from '../places.ts'
import type { Report } from '../report.ts'
import type { Rule } from '../rules.ts'
import { labelOf } from '../services.ts'
import { bytesOf, durationOf, sizeOf } from '../units.ts'
import { withImports } from './expand.ts'
import { PRIVATE } from './matchers.ts'
import { parseCaddyfile, type Segment } from './parse.ts'
import { reportRest } from './reasons.ts'
import { rulesOfSite } from './sites.ts'

const TLS = 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)'

interface Site {
  readonly segment: Segment
  /** null = any host. */
  readonly hosts: readonly string[] | null
  readonly rules: readonly Rule[]
}

/** Reads a Caddyfile, with the files that it imports. Throws Unreadable. */
export function readCaddy(file: string, text: string, report: Report): Imported {
  const segments = withImports(parseCaddyfile(file, text), file, report)
  const proxy = emptyProxy()
  const isGlobal = ({ words, block }: Segment) => words.length === 0 && block !== null
  for (const segment of segments.filter(isGlobal)) {
    report.take(segment)
    readGlobal(segment.block ?? [], proxy, report)
  }
  const sites = segments.filter((segment) => !isGlobal(segment)).map((segment) => readSite(segment, proxy, report))
  const specificity = ({ hosts }: Site) => (hosts === null ? null : (hosts.toSorted(hostOrder).at(0) ?? null))
  const sorted = sites.toSorted((a, b) => hostOrder(specificity(b), specificity(a)))
  if (proxy.listen.length === 0 && sites.length > 0)
    proxy.comments.push(
      'Caddy listens for TLS only here. Give a listener tls (docs/tls.md); until then Cutover listens on 127.0.0.1:8080',
    )
  reportRest(segments, report)
  return { proxy, rules: sorted.flatMap(({ rules }) => rules) }
}

function readSite(segment: Segment, proxy: ProxyDraft, report: Report): Site {
  report.take(segment)
  const block = segment.block ?? []
  const addresses = segment.words.flatMap((word) => word.split(',')).filter((word) => word !== '')
  const hosts: string[] = []
  let isAny = false
  for (const address of addresses) {
    const [, scheme = '', host = '', port = '', path = ''] =
      /^(?:(https?):\/\/)?([^/:]*)(?::(\d+))?(\/.*)?$/.exec(address) ?? []
    if (path !== '') report.differs(segment, 'a path in the address of a site is not taken over; write it with handle')
    if (host === '' || host === '*') isAny = true
    else if (/^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(host)) hosts.push(host.toLowerCase())
    else
      report.leftOut(segment, `hosts of Cutover are names, or begin with "*."; write out those that ${host} stands for`)
    const isPlain = scheme === 'http' || (scheme === '' && port !== '' && port !== '443' && isAny) || port === '80'
    if (isPlain) addListen(proxy, `:${port === '' ? 80 : port}`)
    else if (scheme === 'https' || host !== '' || port === '443') report.leftOut(segment, TLS)
  }
  readBody(block, proxy, report)
  const of = isAny ? null : [...new Set(hosts)]
  const name = of?.[0] === undefined ? 'app' : labelOf(of[0])
  const rules = rulesOfSite(block, of, [name], report)
  const closing: Rule = { hosts: of, paths: null, match: null, target: null, name: 'rest', statement: segment }
  return { segment, hosts: of, rules: [...rules, closing] }
}

function addListen(proxy: ProxyDraft, address: string): void {
  if (!proxy.listen.some((each) => each.address === address)) proxy.listen.push({ address })
}

/** `request_body { max_size 10MB }`, which holds for all requests in Cutover. */
function readBody(block: readonly Segment[], proxy: ProxyDraft, report: Report): void {
  for (const segment of block) {
    if (segment.words[0] === 'handle' || segment.words[0] === 'route') readBody(segment.block ?? [], proxy, report)
    if (segment.words[0] !== 'request_body') continue
    const line = segment.block?.find(({ words }) => words[0] === 'max_size')
    const size = caddySize(line?.words[1] ?? '')
    if (line === undefined || size === null) continue
    report.take(segment, line)
    report.differs(line, 'proxy.limits.bodyBytes holds for all requests; it is the largest max_size of the file')
    proxy.limits.bodyBytes = sizeOf(Math.max(size, bytesOf(String(proxy.limits.bodyBytes ?? 0)) ?? 0))
  }
}

/** Bytes: `10MB` are 10,000,000 in Caddy, `10MiB` 10,485,760. */
function caddySize(text: string): number | null {
  const [, amount, unit = '', isBinary] = /^(\d+)([kmg]?)(i?)b?$/i.exec(text) ?? []
  if (amount === undefined) return null
  const power = ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase())
  return Number(amount) * (isBinary === 'i' || isBinary === 'I' ? 1024 : 1000) ** power
}

function readGlobal(block: readonly Segment[], proxy: ProxyDraft, report: Report): void {
  for (const segment of block.filter(({ words }) => words[0] === 'servers')) {
    report.take(segment)
    for (const line of segment.block ?? []) {
      const [name, ...values] = line.words
      if (name === 'trusted_proxies' && values[0] === 'static') {
        report.take(line)
        const networks = values.slice(1).flatMap((value) => (value === 'private_ranges' ? PRIVATE : [value]))
        proxy.trustedProxies.push(...networks.flatMap((network) => parseCidr(network) ?? []))
      } else if (name === 'timeouts') {
        report.take(line)
        for (const each of line.block ?? []) readTimeout(each, proxy, report)
      }
    }
  }
}

const TIMEOUTS: Readonly<Record<string, string>> = { read_header: 'header', read_body: 'request', idle: 'keepAlive' }

function readTimeout(line: Segment, proxy: ProxyDraft, report: Report): void {
  const [name = '', text = ''] = line.words
  const key = TIMEOUTS[name]
  const duration = durationOf(text, 's')
  if (key === undefined || duration === null) return
  report.take(line)
  proxy.timeouts[key] = duration
}
