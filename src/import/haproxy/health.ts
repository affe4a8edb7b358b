import type { Settings } from '../draft.ts'
import type { Report } from '../report.ts'
import { durationOf } from '../units.ts'
import type { Line } from './parse.ts'
import type { ProxySection } from './sections.ts'
import type { ServerLine } from './servers.ts'

type Probe = Record<string, string | number | Readonly<Record<string, string>>>

/** Reads the checks of a backend. Without `check` at its servers there are none. */
export function readHealth(proxy: ProxySection, servers: readonly ServerLine[], report: Report): Settings['health'] {
  const checked = servers.filter(({ options }) => options.has('check'))
  const [first] = checked
  if (first === undefined) return 'off'
  for (const { line, options } of servers)
    if (!options.has('check') && !options.has('track'))
      report.differs(line, 'Cutover checks all servers of a service, this one too')
  const probe: Probe = proxy.has('option', 'httpchk') ? httpProbe(proxy, report) : tcpProbe(proxy, first.line, report)
  const interval = commonOption(checked, 'inter', report)
  const timeout = proxy.one('timeout', 'check')?.words[2] ?? interval
  const port = Number(commonOption(checked, 'port', report) ?? 0)
  const rise = Number(commonOption(checked, 'rise', report) ?? 2)
  const fall = Number(commonOption(checked, 'fall', report) ?? 3)
  return {
    ...probe,
    interval: durationOf(interval ?? '2s', 'ms') || '2s',
    ...(timeout === undefined ? {} : { timeout: durationOf(timeout, 'ms') || '2s' }),
    rise,
    fall,
    ...(port > 0 ? { port } : {}),
  }
}

/** The option that all servers have in common; others are reported. */
function commonOption(servers: readonly ServerLine[], name: string, report: Report): string | undefined {
  const value = servers[0]?.options.get(name)
  for (const { line, options } of servers)
    if (options.get(name) !== value)
      report.differs(line, `${name} holds for all servers of a service; it is ${value ?? 'the default'}`)
  return value
}

function tcpProbe(proxy: ProxySection, line: Line, report: Report): Probe {
  const other = [
    'tcp-check',
    'ssl-hello-chk',
    'mysql-check',
    'pgsql-check',
    'redis-check',
    'ldap-check',
    'smtpchk',
    'spop-check',
  ]
  for (const each of other.flatMap((name) => proxy.all('option', name)))
    report.leftOut(each, 'Cutover checks by HTTP; name a path in health.path')
  for (const each of proxy.all('tcp-check')) report.leftOut(each, 'Cutover checks by HTTP; name a path in health.path')
  report.differs(
    line,
    'HAProxy only connects; Cutover asks GET / and accepts any status: better name a path of the app in health.path',
  )
  return { path: '/', expect: '100-599' }
}

function httpProbe(proxy: ProxySection, report: Report): Probe {
  const probe: Probe = { path: '/', expect: '200-399' }
  const headers: Record<string, string> = {}
  const option = proxy.one('option', 'httpchk')
  if (option !== undefined) readOption(option, probe, report)
  for (const line of proxy.all('http-check', 'send')) readSend(line, probe, headers, report)
  for (const line of proxy.all('http-check', 'expect')) readExpect(line, probe, report)
  if (Object.keys(headers).length > 0) probe.headers = headers
  return probe
}

/** `option httpchk GET /health HTTP/1.1\r\nHost:\ app`. */
function readOption(line: Line, probe: Probe, report: Report): void {
  const [first = '', second, ...version] = line.words.slice(2)
  const [method, path] = second === undefined ? ['OPTIONS', first] : [first, second]
  if (first === '') report.differs(line, 'HAProxy asks OPTIONS /; Cutover asks GET /')
  else tellMethod(method, line, report)
  if (path !== '') probe.path = path ?? '/'
  const [, host] = /\\r\\n\s*Host:\s*([^\s\\]+)/i.exec(version.join(' ')) ?? []
  if (host !== undefined) probe.host = host
}

function readSend(line: Line, probe: Probe, headers: Record<string, string>, report: Report): void {
  const words = line.words.slice(2)
  for (let at = 0; at < words.length; at++) {
    const word = words[at]
    const value = words[at + 1] ?? ''
    if (word === 'meth') tellMethod(value, line, report)
    else if (word === 'uri') probe.path = value
    else if (word === 'hdr') {
      if (value.toLowerCase() === 'host') probe.host = words[at + 2] ?? ''
      else headers[value] = words[at + 2] ?? ''
      at++
    } else if (word !== 'ver') report.leftOut(line, `a check of Cutover has no ${word}`)
    at++
  }
}

function tellMethod(method: string, line: Line, report: Report): void {
  if (method !== 'GET') report.differs(line, `Cutover checks by GET, not by ${method}`)
}

function readExpect(line: Line, probe: Probe, report: Report): void {
  const [kind, value = ''] = line.words.slice(2).filter((word) => !['comment', 'min-recv'].includes(word))
  if (kind === 'status' && /^[\d,-]+$/.test(value)) probe.expect = value
  else if (kind === 'rstatus' && /^\^?[1-5](\.\.|\[0-9\]\[0-9\]|\d\d)?\$?$/.test(value)) {
    const digit = value.replace('^', '')[0] ?? '2'
    probe.expect = /\d{3}/.exec(value)?.[0] ?? `${digit}00-${digit}99`
  } else if (kind === 'string') probe.body = value
  else report.leftOut(line, 'a check of Cutover expects statuses (health.expect) or a text (health.body)')
}
