import type { Report } from '../report.ts'
import type { Line, Section } from './parse.ts'

const TUNING = 'HAProxy needs it for itself; Cutover has nothing to tune there'
const TLS = 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)'

/** Why a line is not needed, by its first words. The longest key that fits counts, here and below. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  'mode http': 'Cutover forwards HTTP',
  chroot: TUNING,
  user: 'the service manager decides as whom Cutover runs',
  group: 'the service manager decides as whom Cutover runs',
  uid: 'the service manager decides as whom Cutover runs',
  gid: 'the service manager decides as whom Cutover runs',
  daemon: TUNING,
  'master-worker': TUNING,
  pidfile: 'the service manager knows it',
  tune: TUNING,
  nbproc: TUNING,
  'cpu-map': TUNING,
  'ulimit-n': TUNING,
  'spread-checks': 'Cutover spreads its checks',
  'option forwardfor': 'Cutover always sends X-Forwarded-For',
  'option forwarded': 'Cutover sends Forwarded with proxy.forwarding.forwarded',
  'option http-server-close': 'Cutover keeps connections on both sides open',
  'option http-keep-alive': 'Cutover keeps connections on both sides open',
  'option httpclose': 'Cutover keeps connections on both sides open',
  'option redispatch': 'Cutover retries at another server',
  'option dontlognull': 'Cutover logs requests only',
  'option httplog': 'the access log of Cutover has all of it',
  'option http-buffer-request': 'Cutover buffers no more than it must',
  'option http-no-delay': 'Cutover sends at once',
  'option tcp-smart': TUNING,
  'option splice': TUNING,
  'option log-health-checks': 'Cutover logs and counts them',
  'option log-separate-errors': 'the access log of Cutover has the status',
  'option contstats': 'Cutover counts requests as they end',
  'option prefer-last-server': 'Cutover keeps connections to all servers open',
  'option abortonclose': 'Cutover forgets clients that have left',
  'option allbackups': 'Cutover shares requests among all backups',
  'option persist': 'Cutover has a server in force or not',
  'http-reuse': 'Cutover shares connections to servers among all clients',
  'hash-type': 'Cutover hashes consistently',
  'hash-balance-factor': 'Cutover passes on what is above 1.25 times the mean',
  'timeout client-fin': TUNING,
  'timeout server-fin': TUNING,
  'timeout check': 'no server is checked',
  'timeout queue': 'no server has a limit of connections',
  'log-tag': TUNING,
  fullconn: TUNING,
  backlog: TUNING,
  'unique-id-format': 'Cutover has ids of its own (X-Request-Id)',
  'unique-id-header': 'Cutover sends X-Request-Id',
  'stick-table': 'Cutover needs no table',
  id: TUNING,
  description: TUNING,
  node: TUNING,
}

/** Why a line is left out. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'mode tcp': 'Cutover forwards HTTP only',
  'ssl-': TLS,
  'ca-base': TLS,
  'crt-base': TLS,
  log: 'Cutover has an access log of its own: proxy.accessLog (docs/operations.md)',
  'log-format': 'the formats of Cutover are json, combined and logfmt',
  stats: 'see the admin API and its /metrics instead',
  monitor: 'see /ready of the admin API',
  errorfile: 'Cutover has error answers of its own; a hook can change them (response, docs/programming.md)',
  'http-error': 'Cutover has error answers of its own; a hook can change them (response, docs/programming.md)',
  maxconn: 'Cutover limits the connections of all clients together: proxy.limits.connections',
  'rate-limit': 'Cutover has no rate limits; examples/hooks/rate-limit-by-key.ts has one',
  acl: 'nothing that Cutover can say depends on it',
  compression: 'Cutover compresses nothing; let the app do it',
  filter: 'Cutover has no filters; a hook may do (docs/programming.md)',
  lua: 'write a hook instead (docs/programming.md)',
  'http-request track-sc': 'Cutover has no rate limits; examples/hooks/rate-limit-by-key.ts has one',
  'http-request lua': 'write a hook instead (docs/programming.md)',
  'http-request set-var': 'a hook can keep what it computes (docs/programming.md)',
  'http-request': 'Cutover has no such rule; a hook may do (docs/programming.md)',
  'http-response': 'Cutover has no such rule; a hook may do (docs/programming.md)',
  'tcp-request': 'Cutover has no such rule',
  'tcp-response': 'Cutover has no such rule',
  'use-server': 'routes of Cutover choose pools; put the server into a pool of its own',
  'option httpchk': 'no server has "check"',
  'http-check': 'no server has "check"',
  setenv: 'write the value out',
  presetenv: 'write the value out',
  'capture ': 'Cutover logs fields by a hook (log, docs/programming.md)',
  peers: 'sticky cookies and hashes of Cutover need no peers',
  'email-alert': 'see webhooks (docs/events.md)',
  bind: 'its section answers itself, without servers',
  'option tcp-check': 'no server has "check"',
  'reqrep ': 'Cutover changes no paths; a hook does (r.setPath, docs/programming.md)',
  '': 'Cutover has nothing like it',
}

/** Sections that hold nothing for a proxy of HTTP. */
const SECTIONS: Readonly<Record<string, string>> = {
  userlist: 'Cutover has no passwords',
  peers: 'sticky cookies and hashes of Cutover need no peers',
  resolvers: 'Cutover asks the resolver of the system',
  mailers: 'see webhooks (docs/events.md)',
  cache: 'Cutover caches nothing',
}

/** Reports every line that nothing else has taken or reported. */
export function reportRest(
  sections: readonly Section[],
  isLeftOut: (section: Section) => string | null,
  report: Report,
): void {
  for (const section of sections) {
    const { kind, line, lines } = section
    const reason =
      isLeftOut(section) ??
      (['global', 'defaults', 'frontend', 'backend', 'listen'].includes(kind)
        ? null
        : (SECTIONS[kind] ?? LEFT_OUT[''] ?? ''))
    for (const each of [line, ...lines]) if (!report.knows(each)) tell(each, reason, report)
  }
}

function tell(line: Line, reason: string | null, report: Report): void {
  if (reason !== null) {
    report.leftOut(line, reason)
    return
  }
  const text = line.words.join(' ').replace(/^no option/, 'option')
  const [needed, left] = [longestKey(NOT_NEEDED, text), longestKey(LEFT_OUT, text)]
  if (needed.length > left.length) report.notNeeded(line, NOT_NEEDED[needed] ?? '')
  else report.leftOut(line, LEFT_OUT[left] ?? '')
}

function longestKey(reasons: Readonly<Record<string, string>>, text: string): string {
  return Object.keys(reasons)
    .filter((key) => text.startsWith(key))
    .reduce((longest, key) => (key.length > longest.length ? key : longest), '')
}
