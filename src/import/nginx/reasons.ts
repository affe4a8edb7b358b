import type { Report } from '../report.ts'
import type { Directive } from './parse.ts'

const FILES = 'Cutover serves no files; let an app or a file server do it, as a service with these paths'
const TLS = 'TLS is not imported: give a listener tls.certificates or tls.acme (docs/tls.md)'
const TUNING = 'nginx needs it for itself; Cutover has nothing to tune there'
const BUFFERS = 'Cutover buffers no more than it must'

/** Why a directive is left out, by the beginning of its name. The longest one that fits counts. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  root: FILES,
  alias: FILES,
  index: FILES,
  try_files: FILES,
  autoindex: FILES,
  expires: `${FILES}; for a proxied path, set Cache-Control in headers.response`,
  error_page: 'Cutover has error answers of its own; a hook can change them (response, docs/programming.md)',
  proxy_intercept_errors: 'Cutover passes the answers of servers on; a hook can change them',
  return:
    'Cutover answers no requests itself: these paths answer 503, or 404 where no service is; a hook answers (docs/programming.md)',
  rewrite: 'Cutover changes no paths, apart from stripPrefix; a hook does (r.setPath, docs/programming.md)',
  if: 'Cutover has no such condition; see routes (docs/traffic.md), or write a hook',
  set: 'its variable decides nothing that Cutover knows; a hook can (docs/programming.md)',
  limit_req: 'Cutover has no rate limits; examples/hooks/rate-limit-by-key.ts has one',
  limit_conn: 'Cutover limits the connections of all clients together: proxy.limits.connections',
  limit_rate: 'Cutover limits no rates',
  proxy_cache: 'Cutover caches nothing',
  proxy_store: 'Cutover stores nothing',
  fastcgi: 'Cutover speaks HTTP to servers; put an HTTP server in front of FastCGI',
  uwsgi: 'Cutover speaks HTTP to servers; let uWSGI listen with --http',
  scgi: 'Cutover speaks HTTP to servers',
  grpc: 'Cutover does not speak HTTP/2 to servers yet',
  memcached: 'Cutover speaks HTTP to servers',
  auth_: 'Cutover has no such protection; a hook can check requests (examples/hooks/auth-by-header.ts)',
  allow: 'it protects what Cutover does not serve',
  deny: 'it protects what Cutover does not serve',
  satisfy: 'Cutover has no such protection; a hook can check requests (docs/programming.md)',
  ssl: TLS,
  http2: TLS,
  gzip: 'Cutover compresses nothing; let the app do it',
  brotli: 'Cutover compresses nothing; let the app do it',
  sub_filter: 'Cutover changes no bodies',
  add_before_body: 'Cutover changes no bodies',
  mirror: 'write it as mirror: {to: POOL} of the service (docs/traffic.md)',
  proxy_cookie: 'Cutover does not change cookies; a hook can (response, docs/programming.md)',
  proxy_redirect: 'Cutover does not change Location; a hook can (response, docs/programming.md)',
  proxy_ssl: 'it has no counterpart in tls of a server',
  proxy_send_timeout:
    'Cutover has no time limit for sending to servers; proxy.timeouts.idleBody bounds pauses of a body',
  send_timeout: 'Cutover has no time limit for sending to clients',
  proxy_next_upstream_timeout: 'Cutover bounds retries by their number (retry.attempts) and budget',
  proxy_bind: 'Cutover lets the system choose the local address',
  proxy_method: 'Cutover passes methods on; a hook cannot change them',
  proxy_set_body: 'Cutover changes no bodies',
  large_client_header_buffers: 'see proxy.limits.headerBytes (16kb) and urlBytes (8kb)',
  upstream: 'no location sends requests to it',
  map: 'nothing that Cutover knows depends on it',
  geo: 'nothing that Cutover knows depends on it',
  split_clients: 'nothing that Cutover knows depends on it',
  access_log: 'Cutover has one access log for all services, which names the service',
  log_format: 'the formats of Cutover are json, combined and logfmt',
  error_log: 'Cutover logs to standard error',
  proxy_pass: 'nothing in the result sends requests there',
  location: 'no other location sends requests to it',
  stream: 'Cutover forwards HTTP only',
  mail: 'Cutover forwards HTTP only',
  stub_status: 'see /metrics of the admin API',
  health_check: 'write it as health of the service (docs/configuration.md)',
  real_ip_header: 'Cutover takes the address of a client from X-Forwarded-For or the PROXY protocol',
  js_: 'write a hook instead (docs/programming.md)',
  lua: 'write a hook instead (docs/programming.md)',
  perl: 'write a hook instead (docs/programming.md)',
  status_zone: 'see /metrics of the admin API',
  '': 'Cutover has nothing like it',
}

/** Why a directive is not needed, by the beginning of its name. */
const NOT_NEEDED: Readonly<Record<string, string>> = {
  sendfile: 'Cutover serves no files',
  tcp_no: 'Cutover sends at once',
  types: 'Cutover serves no files',
  default_type: 'Cutover serves no files',
  charset: 'Cutover changes no answers',
  server_names_hash: TUNING,
  variables_hash: TUNING,
  map_hash: TUNING,
  worker_: TUNING,
  events: TUNING,
  user: 'the service manager decides as whom Cutover runs',
  pid: 'the service manager knows it',
  daemon: TUNING,
  load_module: TUNING,
  server_tokens: 'Cutover tells no version',
  proxy_http_version: 'Cutover speaks HTTP/1.1 to servers and keeps connections open',
  proxy_buffer: BUFFERS,
  proxy_busy_buffers: BUFFERS,
  proxy_max_temp: BUFFERS,
  proxy_temp: BUFFERS,
  proxy_request_buffering: BUFFERS,
  client_body_buffer: BUFFERS,
  client_body_temp: BUFFERS,
  client_header_buffer: BUFFERS,
  output_buffers: BUFFERS,
  keepalive: 'Cutover keeps connections to servers open',
  zone: 'the processes of Cutover share what they know',
  resolver: 'Cutover asks the resolver of the system, every 15 s',
  multi_accept: TUNING,
  use: TUNING,
  accept_mutex: TUNING,
  real_ip_recursive: 'Cutover goes through all addresses of trusted proxies',
  proxy_redirect_off: 'Cutover does not change Location',
  reset_timedout_connection: TUNING,
  log_not_found: 'Cutover serves no files',
  etag: 'Cutover serves no files',
  open_file_cache: 'Cutover serves no files',
  lingering: TUNING,
  proxy_pass_request: 'Cutover passes requests on as they are',
  proxy_pass_header: 'Cutover passes fields on',
  underscores_in_headers: 'Cutover passes such fields on',
  ignore_invalid_headers: 'Cutover refuses what is ambiguous',
  merge_slashes: 'Cutover passes paths on as they are',
  absolute_redirect: 'Cutover does not redirect',
  port_in_redirect: 'Cutover does not redirect',
  server_name_in_redirect: 'Cutover does not redirect',
  http: '',
}

/** Reports every directive that nothing else has taken or reported. */
export function reportRest(directives: readonly Directive[], report: Report): void {
  for (const directive of directives) {
    const { name, args, block } = directive
    if (!report.knows(directive)) {
      const key = name === 'proxy_redirect' && ['off', 'default'].includes(args[0] ?? '') ? 'proxy_redirect_off' : name
      const [needed, left] = [longestKey(NOT_NEEDED, key), longestKey(LEFT_OUT, key)]
      if (needed.length > left.length) {
        if (name !== 'http') report.notNeeded(directive, NOT_NEEDED[needed] ?? '')
      } else report.leftOut(directive, LEFT_OUT[left] ?? '')
    }
    const covered = ['types', 'map', 'geo', 'split_clients', 'stream', 'mail', 'events'].includes(name)
    if (block !== null && !covered) reportRest(block, report)
  }
}

function longestKey(reasons: Readonly<Record<string, string>>, name: string): string {
  return Object.keys(reasons)
    .filter((key) => name.startsWith(key))
    .reduce((longest, key) => (key.length > longest.length ? key : longest), '')
}
