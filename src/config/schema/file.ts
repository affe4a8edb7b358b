import { type StaticDecode, Type } from 'typebox'
import {
  type ListenTarget,
  parseCidr,
  parseHost,
  parseListen,
  parseMode,
  parsePeers,
  parseTcpListen,
} from '../addresses.ts'
import { FleetSection, StoreSection } from './fleet.ts'
import * as kind from './kinds.ts'
import { ServiceSchema } from './service.ts'

const LISTEN_MESSAGE = 'expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path'

const PREVIEW_MESSAGE = 'expected host and port, such as 127.0.0.1:9901'

const address = (description: string) => kind.parsed(parseListen, { description, errorMessage: LISTEN_MESSAGE })

const ShortListen = kind.parsed(
  (given): { address: ListenTarget; mode?: number; tls?: unknown; proxyProtocol?: boolean } | undefined => {
    const target = parseListen(given)
    return target === undefined ? undefined : { address: target }
  },
  { errorMessage: LISTEN_MESSAGE },
)

const LongListen = kind.section(
  {
    address: address('Host and port, or a path.'),
    mode: Type.Optional(
      kind.parsed(parseMode, {
        description:
          "Permissions of a unix socket, in octal and in quotes. The admin API's has 0600 unless this says otherwise, a proxy listener's what the umask leaves.",
        errorMessage: 'expected permissions in octal, in quotes, such as "0660"',
        pattern: '^0?[0-7]{3}$',
      }),
    ),
    tls: Type.Optional(Type.Unknown({ description: 'Certificates.' })),
    proxyProtocol: Type.Optional(
      kind.flag({
        description: 'Every connection opens with a PROXY header (version 1 or 2); only trustedProxies may connect.',
      }),
    ),
  },
  {},
)

const networks = (description: string, fallback: readonly string[]) =>
  kind.list(kind.parsed(parseCidr, { errorMessage: 'expected a network such as 10.0.0.0/8 or ::1/128' }), {
    description,
    default: fallback,
  })

const ProxySection = kind.section(
  {
    listen: Type.Union(
      [
        ShortListen,
        LongListen,
        kind.list(Type.Union([ShortListen, LongListen], { errorMessage: LISTEN_MESSAGE }), { minItems: 1 }),
      ],
      {
        description:
          'Where clients connect: 127.0.0.1:8080, [::1]:8080, :8080 (every interface), unix:/path, or a list.',
        errorMessage: LISTEN_MESSAGE,
        default: '127.0.0.1:8080',
      },
    ),
    workers: Type.Union([kind.choice(['auto'], {}), kind.count({ maximum: 1024 })], {
      description: 'Data-plane processes: auto = one a core; 0 = serve from the control process.',
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
        headerBytes: kind.size({ description: 'Largest head of a request; 0 = none.', default: '16kb' }),
        urlBytes: kind.size({ description: 'Longest request target; 0 = none.', default: '8kb' }),
        bodyBytes: kind.size({ description: 'Largest body of a request; 0 = none.', default: 0 }),
        connections: kind.count({ description: 'Connections of clients at once; 0 = none.', default: 0 }),
        requestsPerConnection: kind.count({ description: 'Requests on one connection; 0 = none.', default: 0 }),
      },
      { description: 'What a client may ask of the proxy; 0 = no limit.', default: {} },
    ),
    timeouts: kind.section(
      {
        header: kind.duration({ description: 'Until the head of a request is there; 0 = none.', default: '10s' }),
        request: kind.duration({ description: 'Until the whole request is there; 0 = none.', default: 0 }),
        keepAlive: kind.duration({ description: 'Between two requests on a connection; 0 = none.', default: '75s' }),
        idleBody: kind.duration({ description: 'Between two pieces of a body; 0 = none.', default: '60s' }),
        tunnel: kind.duration({
          description: 'A WebSocket or other upgrade through which no byte passes is ended after this; 0 = never.',
          default: '1h',
        }),
      },
      { description: 'How long a client may take; 0 = no deadline.', default: {} },
    ),
    forwarding: kind.section(
      {
        forwarded: kind.flag({
          description: 'Send Forwarded (RFC 7239) too; it is always gone on with where a trusted proxy sent one.',
          default: false,
        }),
        traceSample: Type.Number({
          description: 'Share of the traces beginning here whose traceparent is marked as sampled: 1 = all, 0 = none.',
          errorMessage: 'expected a number from 0 to 1',
          default: 1,
          minimum: 0,
          maximum: 1,
        }),
      },
      { description: 'What servers are told of a request, beside X-Forwarded-*.', default: {} },
    ),
    accessLog: Type.Union(
      [
        kind.section(
          {
            format: kind.choice(['json', 'combined'], { description: 'How a line looks.', default: 'json' }),
            sample: Type.Number({
              description: 'Share of the requests that are logged: 1 = all, 0.1 = every tenth.',
              errorMessage: 'expected a number from 0 to 1',
              default: 1,
              minimum: 0,
              maximum: 1,
            }),
          },
          {},
        ),
        kind.off(),
      ],
      {
        description: 'A line for every request; or off.',
        errorMessage: 'expected {format, sample}, or off',
        default: {},
      },
    ),
  },
  { description: 'The data plane: where clients connect, and what they may do.', default: {} },
)

const ShutdownSection = kind.section(
  {
    acceptFor: kind.duration({ description: 'New connections are accepted this long after SIGTERM.', default: '0s' }),
    timeout: kind.duration({
      description: 'Requests under way may then take this long; 0 = no deadline.',
      default: '30s',
    }),
  },
  { description: 'How an instance ends.', default: {} },
)

const TokenSection = kind.section(
  {
    name: kind.text({
      description: 'Whose token this is; the history names it.',
      pattern: '^[\\x20-\\x7e]{1,100}$',
      errorMessage: 'expected 1 to 100 ASCII characters',
    }),
    role: kind.choice(['read', 'operate', 'admin'], {
      description: 'read = look; operate = switch, shift, drain; admin = everything.',
    }),
    token: Type.Optional(
      kind.text({
        description: 'The token itself, at least 8 characters; better put there from the environment.',
        pattern: '^[\\x21-\\x7e]{8,}$',
        errorMessage: 'expected at least 8 characters, no spaces',
        writeOnly: true,
      }),
    ),
    tokenHash: Type.Optional(
      kind.text({
        description: 'Its SHA-256 in hex, sha256: in front or not, instead of the token.',
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
    listen: Type.Union([ShortListen, LongListen], {
      description: 'Where the admin API listens.',
      errorMessage: LISTEN_MESSAGE,
      default: '127.0.0.1:9900',
    }),
    hosts: kind.list(kind.parsed(parseHost, { errorMessage: 'expected a host name without a port' }), {
      description: 'Names, beside addresses and localhost, under which the admin API may be asked.',
      default: [],
    }),
    tokens: kind.list(TokenSection, {
      description: 'Who may do what; without tokens, everybody who reaches it, so only loopback may listen.',
      default: [],
    }),
    trustedProxies: networks(
      'Networks of proxies in front of the admin API whose X-Forwarded-Proto is believed, so that browsers may write through a proxy that ends TLS.',
      [],
    ),
    connections: kind.count({
      description:
        'Connections at once; beyond them, the longest silent one of whoever has the most gives way. 0 = no limit.',
      default: 256,
    }),
    preview: Type.Union([kind.parsed(parseTcpListen, { errorMessage: PREVIEW_MESSAGE }), kind.off()], {
      description: 'Where pages of previews are served, an origin of their own: 127.0.0.1:9901; or off.',
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
          'Counts up with every change of the services: in a fleet, the file with the highest one is in force.',
      }),
    ),
    proxy: ProxySection,
    shutdown: ShutdownSection,
    admin: AdminSection,
    store: StoreSection,
    fleet: FleetSection,
    services: kind.named(ServiceSchema, {
      description: 'The services, by name.',
      errorMessage: 'expected services by name, such as {shop: {pools: {…}}}',
      default: {},
    }),
  },
  { description: 'Configuration of Cutover.' },
)

/** A file as `read` gives it: defaults filled in, units resolved, named as in the file. */
export type FileSettings = StaticDecode<typeof FileSchema>
