import { type StaticDecode, Type } from 'typebox'
import {
  explainHostPattern,
  explainPathPrefix,
  explainServerUrl,
  parseHostPattern,
  parsePathPrefix,
  parseServerAddress,
  parseServerName,
} from '../addresses.ts'
import { HealthSchema } from './health.ts'
import * as kind from './kinds.ts'
import {
  BalanceSchema,
  HeadersSchema,
  MirrorSchema,
  PassiveSchema,
  RetrySchema,
  SplitBySchema,
  StickySchema,
} from './policies.ts'
import { RolloutSchema } from './rollout.ts'
import { RoutesSchema } from './routes.ts'

const urlOptions = {
  description:
    'Where the server listens: http://, https://, h2c:// (HTTP/2) or h2:// (HTTP/2 with TLS), host and port; no path, no credentials. Or unix: and the path of a socket file; or srv:// (srv+https://) and the name of SRV records, each of which is a server.',
  pattern:
    '^([hH][tT][tT][pP][sS]?://[^\\s/?#@]+/?|[hH]2[cC]?://[^\\s/?#@]+/?|unix:/.+|srv(\\+https?)?://[^\\s/?#@:]+/?)$',
  errorMessage:
    'expected scheme, host and port and nothing more, such as http://10.0.0.1:9000; unix:/run/app.sock; or srv://_http._tcp.web.internal',
  explain: explainServerUrl,
}

const pem = (description: string) =>
  kind.text({ description, pattern: '^[^\\0]*$', errorMessage: 'expected the path of a file in PEM', default: '' })

const ServerTlsSchema = kind.section(
  {
    serverName: kind.parsed(parseServerName, {
      description: "Name in SNI and in the server's certificate; by default the host of its url.",
      errorMessage: 'expected a host name, such as app.internal',
      default: '',
    }),
    ca: pem('PEM file with the authorities to trust instead of the default ones.'),
    cert: pem('PEM file with the client certificate for the server.'),
    key: pem('PEM file with the key of the client certificate.'),
    insecure: kind.flag({ description: 'Accept any certificate.', default: false }),
  },
  {
    description: 'TLS to an https:// or h2:// server.',
    errorMessage: 'expected {serverName, ca, cert, key, insecure}',
  },
)

const LongServer = kind.section(
  {
    url: kind.parsed(parseServerAddress, urlOptions),
    weight: kind.count({
      description: 'Share relative to the other servers of the pool; 0 = no requests.',
      default: 1,
      maximum: 1000,
    }),
    backup: kind.flag({
      description: 'Gets requests only while no other server of the pool is up.',
      default: false,
    }),
    tls: Type.Optional(ServerTlsSchema),
    proxyProtocol: Type.Optional(
      kind.choice(['v1', 'v2'], {
        description:
          'Begin each connection with a PROXY header of this version, which tells the server the address of the client.',
        errorMessage: 'expected v1 or v2; leave it out for servers that expect no PROXY header',
      }),
    ),
  },
  {},
)

const ShortServer = kind.parsed((given) => {
  const url = parseServerAddress(given)
  return url === undefined ? undefined : { url, weight: 1, backup: false }
}, urlOptions)

export const ServerSchema = Type.Union([ShortServer, LongServer], {
  description: 'One upstream address: the address alone, or {url, weight, backup, tls, proxyProtocol}.',
  errorMessage: 'expected an address such as http://10.0.0.1:9000, or {url, weight, backup, tls, proxyProtocol}',
  explain: explainServerUrl,
})

export const PoolSchema = kind.section(
  {
    version: Type.Optional(
      kind.text({
        description: 'Version of the app; by default the name of the pool.',
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
    connect: kind.duration({ description: 'Max time to connect to the server; 0 = no limit.', default: '2s' }),
    response: kind.duration({ description: 'Max time until the head of the response; 0 = no limit.', default: '60s' }),
    idle: kind.duration({ description: 'Max time between two pieces of the response; 0 = no limit.', default: '60s' }),
    queue: kind.duration({
      description: 'Max time that a request is queued when perServer is reached; 0 = it is answered 503 at once.',
      default: 0,
    }),
    handover: kind.duration({
      description:
        'Max time that a new definition waits for its servers, while the previous one serves the requests; 0 = it takes over at once.',
      default: '30s',
    }),
  },
  { description: 'Time limits for the servers.', default: {} },
)

const Connections = kind.section(
  {
    perServer: kind.count({ description: 'Max requests in flight at one server; 0 = no limit.', default: 0 }),
    keepAlive: kind.duration({ description: 'Max time that an idle connection is kept.', default: '4s' }),
  },
  { description: 'Connections to the servers.', default: {} },
)

const Dns = kind.section(
  {
    all: kind.flag({
      description:
        'Whether each address of a name is a server of its own, such as web@10.0.0.1, which comes and goes with DNS.',
      default: false,
    }),
    refresh: kind.duration({
      description:
        'Max time from one lookup of a name to the next. With all, and for srv://, a shorter TTL counts, of at least 1s.',
      default: '30s',
      minMs: 1_000,
    }),
  },
  { description: 'Lookups of the names of servers.', default: {} },
)

const Drain = kind.section(
  {
    timeout: kind.duration({
      description: 'Time after which requests that are still in flight are cut; 0 = never.',
      default: '30s',
    }),
    websockets: kind.choice(['close', 'keep'], {
      description: 'close = WebSockets get 1001 at the deadline; keep = they are never cut.',
      default: 'close',
    }),
  },
  { description: 'Treatment of requests in flight at a server or pool that is drained.', default: {} },
)

export const ServiceSchema = kind.section(
  {
    hosts: kind.list(
      kind.parsed(parseHostPattern, {
        errorMessage: 'expected a host name without a port, such as shop.example.com or *.shop.example.com',
        explain: explainHostPattern,
      }),
      { description: 'Host names of this service, including *.example.com; none = any host.', default: [] },
    ),
    paths: kind.list(
      kind.parsed(parsePathPrefix, {
        pattern: '^/[^?#*\\s]*$',
        errorMessage: 'expected a path such as /shop, without query or fragment',
        explain: explainPathPrefix,
      }),
      { description: 'Path prefixes; the longest one wins, on / boundaries.', default: ['/'], minItems: 1 },
    ),
    stripPrefix: kind.flag({ description: 'Whether servers get the path without that prefix.', default: false }),
    pools: kind.named(PoolSchema, {
      description: 'The pools, by name, one per version of the app. At least one.',
      errorMessage: 'expected pools by name, such as {blue: {servers: {blue1: http://10.0.0.1:9000}}}',
    }),
    split: Type.Optional(
      kind.named(kind.share({}), {
        errorMessage: 'expected percent by pool, such as {blue: 95, green: 5}',
        description:
          'The first decision: percent of the requests per pool, summing to 100. Later decisions are in the store. Needed for a new service with several pools.',
      }),
    ),
    splitBy: SplitBySchema,
    balance: BalanceSchema,
    sticky: StickySchema,
    health: HealthSchema,
    passive: PassiveSchema,
    panic: kind.percent({
      description: 'While a smaller share of a pool is up, requests also go to its servers that are down; 0 = off.',
      default: 0,
    }),
    retry: RetrySchema,
    timeouts: Timeouts,
    connections: Connections,
    slowStart: kind.duration({
      description: 'Time over which the weight of a server that comes up grows from 10 %; 0 = full weight at once.',
      default: '0s',
    }),
    dns: Dns,
    drain: Drain,
    routes: RoutesSchema,
    mirror: MirrorSchema,
    rollout: Type.Optional(RolloutSchema),
    headers: HeadersSchema,
    versionHeader: kind.decoded(
      kind.text({
        description:
          'Response field in which the app reports its version, such as X-App-Version; it is compared with the version of the pool. Empty = none.',
        default: '',
        pattern: `^(${kind.TOKEN})?$`,
        errorMessage: 'expected the name of a response field, such as X-App-Version',
      }),
      (name) => name.toLowerCase(),
    ),
    minReady: kind.count({
      description: 'Min ready servers: a command that would leave fewer is refused, unless forced.',
      default: 1,
    }),
  },
  {
    description: 'A service, which clients reach by its hosts and paths: pools, a split and policies.',
    errorMessage: 'expected a service, {pools, split, …}',
  },
)

/** A service as returned by `read`: defaults filled in, units resolved, keys as in the file. */
export type ServiceSettings = StaticDecode<typeof ServiceSchema>
