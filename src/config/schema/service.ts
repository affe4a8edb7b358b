import { type StaticDecode, Type } from 'typebox'
import {
  explainHostPattern,
  explainPathPrefix,
  explainServerUrl,
  parseHostPattern,
  parsePathPrefix,
  parseServerName,
  parseServerUrl,
} from '../addresses.ts'
import * as kind from './kinds.ts'
import {
  BalanceSchema,
  HeadersSchema,
  HealthSchema,
  MirrorSchema,
  PassiveSchema,
  RetrySchema,
  RoutesSchema,
  SplitBySchema,
  StickySchema,
} from './policies.ts'

const urlOptions = {
  description: 'Where the server listens: http:// or https://, host and port; no path, no credentials.',
  pattern: '^[hH][tT][tT][pP][sS]?://[^\\s/?#@]+/?$',
  errorMessage: 'expected scheme, host and port and nothing more, such as http://10.0.0.1:9000',
  explain: explainServerUrl,
}

const pem = (description: string) =>
  kind.text({ description, pattern: '^[^\\0]*$', errorMessage: 'expected the path of a file in PEM', default: '' })

const ServerTlsSchema = kind.section(
  {
    serverName: kind.parsed(parseServerName, {
      description: "Name that is asked for and that the certificate must bear; otherwise the host of the server's url.",
      errorMessage: 'expected a host name, such as app.internal',
      default: '',
    }),
    ca: pem('File of the authorities to trust instead of the usual ones, PEM.'),
    cert: pem('File of the certificate that we show the server, PEM.'),
    key: pem('File of its key, PEM.'),
    insecure: kind.flag({ description: 'Believe whoever answers, whatever the certificate.', default: false }),
  },
  { description: 'TLS to an https:// server.', errorMessage: 'expected {serverName, ca, cert, key, insecure}' },
)

const LongServer = kind.section(
  {
    url: kind.parsed(parseServerUrl, urlOptions),
    weight: kind.count({
      description: 'Share relative to the other servers of the pool; 0 = nothing.',
      default: 1,
      maximum: 1000,
    }),
    tls: Type.Optional(ServerTlsSchema),
  },
  {},
)

const ShortServer = kind.parsed((given) => {
  const url = parseServerUrl(given)
  return url === undefined ? undefined : { url, weight: 1 }
}, urlOptions)

export const ServerSchema = Type.Union([ShortServer, LongServer], {
  description: 'One upstream address: the address alone, or {url, weight, tls}.',
  errorMessage: 'expected an address such as http://10.0.0.1:9000, or {url, weight, tls}',
  explain: explainServerUrl,
})

export const PoolSchema = kind.section(
  {
    version: Type.Optional(
      kind.text({
        description: 'Version of the app; otherwise the name of the pool.',
        pattern: '^.{1,200}$',
        errorMessage: 'expected 1 to 200 characters on one line (a number in quotes)',
      }),
    ),
    servers: kind.named(ServerSchema, {
      description: 'The servers of this pool, by name.',
      errorMessage: 'expected servers by name, such as {blue1: http://10.0.0.1:9000}',
      default: {},
    }),
  },
  { description: 'Servers that run one version of the app.', errorMessage: 'expected a pool, {version, servers}' },
)

const Timeouts = kind.section(
  {
    connect: kind.duration({ description: 'Until a connection to the server stands; 0 = none.', default: '2s' }),
    response: kind.duration({ description: 'Until the head of the response is there; 0 = none.', default: '60s' }),
    idle: kind.duration({ description: 'Between two pieces of the response; 0 = none.', default: '60s' }),
    queue: kind.duration({ description: 'That a request waits where perServer is reached.', default: 0 }),
  },
  { description: 'How long a server may take.', default: {} },
)

const Connections = kind.section(
  {
    perServer: kind.count({ description: 'Requests under way at one server; 0 = unbounded.', default: 0 }),
    keepAlive: kind.duration({ description: 'How long an idle connection is kept.', default: '4s' }),
  },
  { description: 'Connections to the servers.', default: {} },
)

const Drain = kind.section(
  {
    timeout: kind.duration({ description: 'After this, what is still under way is cut; 0 = never.', default: '30s' }),
    websockets: kind.choice(['close', 'keep'], {
      description: 'close = WebSockets get 1001 at the deadline; keep = they are never cut.',
      default: 'close',
    }),
  },
  { description: 'What becomes of requests under way where a server or pool is drained.', default: {} },
)

export const ServiceSchema = kind.section(
  {
    hosts: kind.list(
      kind.parsed(parseHostPattern, {
        errorMessage: 'expected a host name without a port, such as shop.example.com or *.shop.example.com',
        explain: explainHostPattern,
      }),
      { description: 'Host names this service answers to, *.example.com included; none = any host.', default: [] },
    ),
    paths: kind.list(
      kind.parsed(parsePathPrefix, {
        pattern: '^/[^?#*\\s]*$',
        errorMessage: 'expected a path such as /shop, without query or fragment',
        explain: explainPathPrefix,
      }),
      { description: 'Path prefixes; the longest one wins, on / boundaries.', default: ['/'], minItems: 1 },
    ),
    stripPrefix: kind.flag({ description: 'Whether servers see the path without that prefix.', default: false }),
    pools: kind.named(PoolSchema, {
      description: 'The pools, by name: one a version of the app. At least one.',
      errorMessage: 'expected pools by name, such as {blue: {servers: {blue1: http://10.0.0.1:9000}}}',
    }),
    split: Type.Optional(
      kind.named(kind.share({}), {
        errorMessage: 'expected percent by pool, such as {blue: 95, green: 5}',
        description:
          'The first decision: percent of the requests per pool, summing to 100. Afterwards the store remembers. With one pool, it gets everything.',
      }),
    ),
    splitBy: SplitBySchema,
    balance: BalanceSchema,
    sticky: StickySchema,
    health: HealthSchema,
    passive: PassiveSchema,
    panic: kind.percent({
      description: 'With a smaller share of a pool up, send to its down servers too rather than fail; 0 = off.',
      default: 0,
    }),
    retry: RetrySchema,
    timeouts: Timeouts,
    connections: Connections,
    slowStart: kind.duration({
      description: 'A server that comes up gets its weight over this time, from 10 %; 0 = at once.',
      default: '0s',
    }),
    drain: Drain,
    routes: RoutesSchema,
    mirror: MirrorSchema,
    headers: HeadersSchema,
    minReady: kind.count({
      description: 'What would leave fewer servers ready is refused, unless forced.',
      default: 1,
    }),
  },
  {
    description: 'What clients reach under its hosts and paths: pools, a split and policies.',
    errorMessage: 'expected a service, {pools, split, …}',
  },
)

/** A service as `read` gives it: defaults filled in, units resolved, named as in the file. */
export type ServiceSettings = StaticDecode<typeof ServiceSchema>
