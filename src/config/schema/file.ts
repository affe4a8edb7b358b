import { type StaticDecode, Type } from 'typebox'
import { parseCidr, parseHost, parsePeers, parseTcpListen } from '../addresses.ts'
import { DnsSection } from './dns.ts'
import { FleetSection, StoreSection } from './fleet.ts'
import * as kind from './kinds.ts'
import { AdminListenSchema, ProxyListenSchema } from './listeners.ts'
import { ServiceSchema } from './service.ts'
import { TelemetrySection } from './telemetry.ts'
import { WebhooksSection } from './webhooks.ts'

const PREVIEW_MESSAGE = 'expected host and port, such as 127.0.0.1:9901'

const networks = (description: string, fallback: readonly string[]) =>
  kind.list(kind.parsed(parseCidr, { errorMessage: 'expected a network such as 10.0.0.0/8 or ::1/128' }), {
    description,
    default: fallback,
  })

const ProxySection = kind.section(
  {
    listen: ProxyListenSchema,
    workers: Type.Union([kind.choice(['auto'], {}), kind.count({ maximum: 1024 })], {
      description: 'Data-plane processes: auto = one per core; 0 = serve from the control process.',
      errorMessage: 'expected auto, or a whole number from 0 to 1024',
      default: 'auto',
    }),
    trustedProxies: kind.list(
      kind.parsed(parsePeers, {
        errorMessage: 'expected a network such as 10.0.0.0/8 or ::1/128, or unix for the peers at socket files',
      }),
      {
        description: 'Networks, and unix for socket files, whose X-Forwarded-* and X-Request-Id are believed.',
        default: [],
      },
    ),
    limits: kind.section(
      {
        headerBytes: kind.size({ description: 'Max size of the head of a request; 0 = no limit.', default: '16kb' }),
        urlBytes: kind.size({ description: 'Max length of the request target; 0 = no limit.', default: '8kb' }),
        bodyBytes: kind.size({ description: 'Max size of the body of a request; 0 = no limit.', default: 0 }),
        connections: kind.count({ description: 'Max connections of clients at once; 0 = no limit.', default: 0 }),
        requestsPerConnection: kind.count({ description: 'Max requests on one connection; 0 = no limit.', default: 0 }),
        streams: kind.count({
          description: 'Max requests at once on one connection of HTTP/2.',
          default: 100,
          minimum: 1,
          maximum: 10_000,
        }),
        held: kind.count({ description: 'Max requests held for paused services; 0 = no limit.', default: 10_000 }),
      },
      { description: 'Limits for clients; 0 = no limit.', default: {} },
    ),
    timeouts: kind.section(
      {
        header: kind.duration({
          description: 'Max time until the head of a request is complete; 0 = no limit.',
          default: '10s',
        }),
        request: kind.duration({
          description: 'Max time until the whole request is complete; 0 = no limit.',
          default: 0,
        }),
        keepAlive: kind.duration({
          description: 'Max time between two requests on a connection; 0 = no limit.',
          default: '75s',
        }),
        idleBody: kind.duration({
          description: 'Max time between two pieces of a body; 0 = no limit.',
          default: '60s',
        }),
        tunnel: kind.duration({
          description: 'Max time that a WebSocket or other upgrade may be idle; 0 = no limit.',
          default: '1h',
        }),
      },
      { description: 'Time limits for clients; 0 = no limit.', default: {} },
    ),
    forwarding: kind.section(
      {
        forwarded: kind.flag({
          description: 'Send Forwarded (RFC 7239), too. A Forwarded of a trusted proxy is always continued.',
          default: false,
        }),
        traceSample: Type.Number({
          description:
            'Share of the traces that begin here whose traceparent is marked as sampled: 1 = all, 0 = none. With tracing, its own sample decides.',
          errorMessage: 'expected a number from 0 to 1',
          default: 1,
          minimum: 0,
          maximum: 1,
        }),
      },
      { description: 'Header fields for servers, beside X-Forwarded-*.', default: {} },
    ),
    hooks: kind.text({
      description: 'Module (.ts, .mts, .js, .mjs) with programs in the request path; empty = none.',
      default: '',
    }),
    hookTimeout: kind.duration({
      description: 'Max time for the promise of a request hook.',
      default: '1s',
      minMs: 1,
    }),
    hookErrors: kind.choice(['fail', 'ignore'], {
      description: 'What becomes of a request whose hook fails: fail = 500; ignore = it goes on without that hook.',
      default: 'fail',
    }),
    accessLog: Type.Union(
      [
        kind.section(
          {
            format: kind.choice(['json', 'combined', 'logfmt'], {
              description: 'Format of a line: json; combined = that of Apache and nginx; logfmt = key=value.',
              default: 'json',
            }),
            sample: Type.Number({
              description: 'Share of the requests that are logged: 1 = all, 0.1 = every tenth.',
              errorMessage: 'expected a number from 0 to 1',
              default: 1,
              minimum: 0,
              maximum: 1,
            }),
            file: kind.text({
              description: 'File that lines are appended to, opened again on SIGUSR1; empty = standard output.',
              default: '',
            }),
          },
          {},
        ),
        kind.off(),
      ],
      {
        description: 'A line for every request; or off.',
        errorMessage: 'expected {format, sample, file}, or off',
        default: {},
      },
    ),
  },
  { description: 'The data plane: listeners, and limits for clients.', default: {} },
)

const ShutdownSection = kind.section(
  {
    acceptFor: kind.duration({
      description: 'Time after SIGTERM during which new connections are accepted.',
      default: '0s',
    }),
    timeout: kind.duration({
      description: 'Max time that requests in progress may take after that; 0 = no limit.',
      default: '30s',
    }),
  },
  { description: 'Shutdown of an instance.', default: {} },
)

const TokenSection = kind.section(
  {
    name: kind.text({
      description: 'Owner of the token, as the history names it.',
      pattern: '^[\\x20-\\x7e]{1,100}$',
      errorMessage: 'expected 1 to 100 ASCII characters',
    }),
    role: kind.choice(['read', 'operate', 'admin'], {
      description: 'read = read only; operate = switch, shift, drain; admin = everything.',
    }),
    token: Type.Optional(
      kind.text({
        description: 'The token itself, at least 8 characters; preferably from the environment.',
        pattern: '^[\\x21-\\x7e]{8,}$',
        errorMessage: 'expected at least 8 characters, no spaces',
        writeOnly: true,
      }),
    ),
    tokenHash: Type.Optional(
      kind.text({
        description: 'SHA-256 of the token in hex, with or without sha256: in front, instead of the token.',
        pattern: '^(sha256:)?[0-9a-fA-F]{64}$',
        errorMessage: 'expected the SHA-256 of the token, 64 hexadecimal digits',
        writeOnly: true,
      }),
    ),
  },
  {},
)

const AdminSection = kind.section(
  {
    listen: AdminListenSchema,
    hosts: kind.list(kind.parsed(parseHost, { errorMessage: 'expected a host name without a port' }), {
      description: 'Names, beside addresses and localhost, by which the admin API may be called.',
      default: [],
    }),
    tokens: kind.list(TokenSection, {
      description:
        'Tokens and their roles; without any, anyone who reaches the admin API may do everything, so it may only listen on loopback.',
      default: [],
    }),
    trustedProxies: networks(
      'Networks of proxies in front of the admin API whose X-Forwarded-Proto is believed, so that browsers may write through a proxy that ends TLS.',
      [],
    ),
    connections: kind.count({
      description:
        'Max connections at once; beyond that, the longest silent one of the address with the most is closed. 0 = no limit.',
      default: 256,
    }),
    preview: Type.Union([kind.parsed(parseTcpListen, { errorMessage: PREVIEW_MESSAGE }), kind.off()], {
      description: 'Address of an origin of its own for pages of previews: 127.0.0.1:9901; or off.',
      errorMessage: `${PREVIEW_MESSAGE}, or off`,
      default: 'off',
    }),
    readyAllow: networks('Networks that may ask /ready.', ['127.0.0.0/8', '::1/128']),
  },
  { description: 'The admin API.', default: {} },
)

/** The whole configuration file, SPEC §3. */
export const FileSchema = kind.section(
  {
    $schema: Type.Optional(kind.text({ description: 'For editors.' })),
    configVersion: Type.Optional(
      kind.count({
        description:
          'Version of the services, raised with every change: in a fleet, the file with the highest one is in force.',
      }),
    ),
    proxy: ProxySection,
    shutdown: ShutdownSection,
    admin: AdminSection,
    store: StoreSection,
    fleet: FleetSection,
    telemetry: TelemetrySection,
    dns: DnsSection,
    webhooks: WebhooksSection,
    services: kind.named(ServiceSchema, {
      description: 'The services, by name.',
      errorMessage: 'expected services by name, such as {shop: {pools: {…}}}',
      default: {},
    }),
  },
  { description: 'Configuration of Cutover.' },
)

/** A file as returned by `read`: defaults filled in, units resolved, keys as in the file. */
export type FileSettings = StaticDecode<typeof FileSchema>
