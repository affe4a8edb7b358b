import type { Report } from '../report.ts'
import type { Segment } from './parse.ts'

const FILES = 'Cutover serves no files; let an app or a file server do it, as a service with these paths'
const PATHS = 'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)'
const TLS = 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)'

/** Why a directive, or a global option, is left out. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  root: FILES,
  file_server: FILES,
  try_files: FILES,
  browse: FILES,
  php_fastcgi: 'Cutover speaks HTTP to servers; put an HTTP server in front of FastCGI',
  rewrite: PATHS,
  uri: PATHS,
  method: 'Cutover passes methods on',
  encode: 'Cutover compresses nothing; let the app do it',
  templates: 'Cutover changes no bodies',
  handle_errors: 'Cutover has error answers of its own; a hook can change them (response, docs/programming.md)',
  handle_response: 'a hook can change answers (response, docs/programming.md)',
  log: 'Cutover has one access log for all services: proxy.accessLog (docs/operations.md)',
  tls: TLS,
  email: TLS,
  auto_https: TLS,
  acme_ca: TLS,
  acme_dns: TLS,
  on_demand_tls: TLS,
  local_certs: TLS,
  map: 'routes choose pools by conditions (docs/traffic.md); a hook can do more',
  vars: 'a hook can keep what it computes (docs/programming.md)',
  metrics: 'see /metrics of the admin API',
  admin: 'Cutover has an admin API of its own: admin.listen',
  debug: 'Cutover has no such level',
  grace_period: 'see shutdown.timeout',
  shutdown_delay: 'see shutdown.acceptFor',
  rate_limit: 'Cutover has no rate limits; examples/hooks/rate-limit-by-key.ts has one',
  bind: 'services of Cutover answer at every address of proxy.listen',

  // Lines of reverse_proxy and its transport.
  unhealthy_status: 'passive of Cutover counts statuses 500-599',
  unhealthy_latency: 'passive of Cutover counts failures, not slow answers; timeouts.response ends them',
  health_follow_redirects: 'health.expect can take statuses 300-399',
  health_body: 'there is no health_uri',
  replace_status: 'a hook can change answers (response, docs/programming.md)',
  write_timeout: 'Cutover has no time limit for sending to servers; proxy.timeouts.idleBody bounds pauses of a body',
  proxy_protocol: 'Cutover does not send the PROXY protocol yet; it sends X-Forwarded-For',
  versions: 'Cutover speaks HTTP/1.1 to servers',
  lb_retry_match: 'see retry.methods and retry.statuses',
}

/** Why something is not needed. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  order: 'hooks have no order',
  storage: 'it is for certificates',
  storage_clean_interval: 'it is for certificates',
  persist_config: 'Cutover keeps its state in the store',
  flush_interval: 'Cutover sends every piece at once',
  buffer_requests: 'Cutover buffers no more than it must',
  request_buffers: 'Cutover buffers no more than it must',
  response_buffers: 'Cutover buffers no more than it must',
  keepalive_idle_conns: 'Cutover keeps as many connections as it has needed',
  compression: 'Cutover passes Accept-Encoding on',
  protocols: 'Cutover speaks HTTP/1.1',
}

/** Reports every line that nothing else has taken or reported. */
export function reportRest(segments: readonly Segment[], report: Report, outer?: string): void {
  for (const segment of segments) {
    const { words, block } = segment
    const [name = ''] = words
    if (!report.knows(segment)) {
      const needed = NOT_NEEDED[name]
      if (needed !== undefined) report.notNeeded(segment, needed)
      else
        report.leftOut(
          segment,
          LEFT_OUT[name] ??
            outer ??
            (name.startsWith('@') ? 'nothing that Cutover can say depends on it' : 'Cutover has nothing like it'),
        )
    }
    if (block !== null) reportRest(block, report, LEFT_OUT[name] ?? outer)
  }
}
