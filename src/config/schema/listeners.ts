import { Type } from 'typebox'
import { type AcmeSettings, LETS_ENCRYPT } from '../../model/acme.ts'
import { DEFAULT_REDIRECT, type HttpsRedirect } from '../../model/https-redirect.ts'
import type { TlsSettings, TlsVersion } from '../../model/listener-tls.ts'
import type { ListenAddress } from '../../net/listen-address.ts'
import { parseDomain, parseListen, parseMode } from '../addresses.ts'
import * as kind from './kinds.ts'

export const LISTEN_MESSAGE = 'expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path'

/** A listener as `read` returns it; TLS with the defaults filled in. */
export interface ShortListener {
  address: ListenAddress
  mode?: number
  proxyProtocol?: boolean
  tls?: Omit<TlsSettings, 'clientAuth' | 'acme'> & {
    clientAuth?: TlsSettings['clientAuth']
    acme?: Omit<AcmeSettings, 'ca'> & { ca?: string }
  }
  redirectToHttps?: HttpsRedirect | null
  http3?: null
}

const shortListen = () =>
  kind.parsed(
    (given): ShortListener | undefined => {
      const target = parseListen(given)
      return target === undefined ? undefined : { address: target }
    },
    { errorMessage: LISTEN_MESSAGE },
  )

const address = kind.parsed(parseListen, { description: 'Host and port, or a path.', errorMessage: LISTEN_MESSAGE })

const mode = Type.Optional(
  kind.parsed(parseMode, {
    description:
      'Permissions of a unix socket, in octal and in quotes. Default: 0600 for the admin API, by the umask for a proxy listener.',
    errorMessage: 'expected permissions in octal, in quotes, such as "0660"',
    pattern: '^0?[0-7]{3}$',
  }),
)

const Certificate = kind.section(
  {
    cert: kind.path({
      description: 'File with the certificate, and those of the authorities between it and the root.',
    }),
    key: kind.path({ description: 'File with its private key, without a passphrase.' }),
  },
  { description: 'Files in PEM; they are read again when they change.' },
)

const MIN_VERSIONS: readonly TlsVersion[] = ['1.2', '1.3']

const AcmeSection = kind.section(
  {
    email: kind.text({
      description:
        'Address to which the ACME server writes when something is wrong. Setting it agrees to the terms of service of that server.',
      pattern: '^[^\\s@<>,;:"]+@[^\\s@<>,;:"]+$',
      errorMessage: 'expected an e-mail address, such as ops@example.com',
    }),
    directory: kind.text({
      description: 'URL of the directory of the ACME server; default: that of Let’s Encrypt.',
      pattern: '^https://[^\\s/?#@]+(/[^\\s#]*)?$',
      errorMessage: 'expected an https:// URL without user and password',
      default: LETS_ENCRYPT,
    }),
    domains: kind.list(
      kind.parsed(parseDomain, {
        description: 'A host name.',
        errorMessage:
          'expected a host name such as www.example.com; no wildcard and no address, which these challenges cannot prove',
      }),
      { description: 'Host names, each of which gets a certificate of its own.', minItems: 1 },
    ),
    challenge: kind.choice(['http-01', 'tls-alpn-01'], {
      description:
        'How names are proven: http-01 is answered at plain listeners (port 80 from outside), tls-alpn-01 at listeners with TLS (port 443 from outside).',
      errorMessage: 'expected http-01 or tls-alpn-01',
      default: 'http-01',
    }),
    ca: Type.Optional(
      kind.path({
        description: 'File with the authorities to trust at the ACME server instead of the default ones, in PEM.',
      }),
    ),
    keyType: kind.choice(['ecdsa', 'rsa'], {
      description: 'Keys of the certificates: ECDSA on P-256, or RSA with 2048 bits.',
      errorMessage: 'expected ecdsa or rsa',
      default: 'ecdsa',
    }),
    profile: kind.text({
      description: 'Profile of certificates to ask the server for; empty = its default.',
      pattern: '^[A-Za-z0-9._-]{0,100}$',
      errorMessage: 'expected the name of a profile of the server',
      default: '',
    }),
  },
  { description: 'Certificates that are ordered from an ACME server, and renewed.' },
)

const TlsSection = kind.section(
  {
    certificates: kind.list(Certificate, {
      description:
        'Certificates, chosen by the name that the client asks for: exact, then wildcard, then the first one.',
      default: [],
    }),
    acme: Type.Optional(AcmeSection),
    minVersion: kind.decoded(
      // Without quotes, YAML reads 1.2 as a number.
      Type.Union([Type.Literal('1.2'), Type.Literal('1.3'), Type.Literal(1.2), Type.Literal(1.3)], {
        description: 'Oldest version of TLS.',
        errorMessage: 'expected "1.2" or "1.3"; older versions are not safe',
        default: '1.2',
      }),
      (given) => MIN_VERSIONS.find((version) => version === String(given)),
    ),
    clientAuth: Type.Optional(
      kind.section(
        {
          ca: kind.path({ description: 'File with the authorities that sign the certificates of clients, in PEM.' }),
          require: kind.flag({
            description: 'Whether a client without a certificate is refused; one with a wrong certificate always is.',
            default: true,
          }),
        },
        { description: 'Asks clients for certificates.' },
      ),
    ),
    alpn: kind.list(
      kind.choice(['http/1.1'], { errorMessage: 'expected http/1.1, the only protocol that can be negotiated so far' }),
      { description: 'Protocols to negotiate, the preferred one first.', default: ['http/1.1'], minItems: 1 },
    ),
  },
  { description: 'TLS: certificates, and what is asked of clients.' },
)

const RedirectSection = kind.section(
  {
    port: kind.count({
      description: 'Port of the https address; 443 is left out of it.',
      default: DEFAULT_REDIRECT.port,
      minimum: 1,
      maximum: 65_535,
    }),
    status: kind.decoded(
      Type.Union([Type.Literal(301), Type.Literal(302), Type.Literal(307), Type.Literal(308)], {
        description: 'Status of the redirect.',
        errorMessage: 'expected 301, 302, 307 or 308',
        default: DEFAULT_REDIRECT.status,
      }),
      (given) => given,
    ),
  },
  {},
)

const RedirectSchema = Type.Union(
  [
    kind.decoded(Type.Literal(true), () => DEFAULT_REDIRECT),
    kind.decoded(Type.Literal(false), () => null),
    RedirectSection,
  ],
  {
    description: 'Redirects every request to https: true, or {port, status}.',
    errorMessage: 'expected true, false, or {port, status}',
  },
)

const Http3Schema = kind.decoded(
  Type.Union([Type.Literal('no'), Type.Literal('off'), Type.Literal(false)], {
    description: 'HTTP/3 is not available: no.',
    errorMessage: 'HTTP/3 is not available; leave it out, or write no',
  }),
  () => null,
)

const ProxyListen = kind.section(
  {
    address,
    mode,
    proxyProtocol: Type.Optional(
      kind.flag({
        description:
          'Every connection opens with a PROXY header (version 1 or 2), before TLS; only trustedProxies may connect.',
      }),
    ),
    tls: Type.Optional(TlsSection),
    redirectToHttps: Type.Optional(RedirectSchema),
    http3: Type.Optional(Http3Schema),
  },
  {},
)

/** `proxy.listen`. */
export const ProxyListenSchema = Type.Union(
  [
    shortListen(),
    ProxyListen,
    kind.list(Type.Union([shortListen(), ProxyListen], { errorMessage: LISTEN_MESSAGE }), { minItems: 1 }),
  ],
  {
    description: 'Where clients connect: 127.0.0.1:8080, [::1]:8080, :8080 (every interface), unix:/path, or a list.',
    errorMessage: LISTEN_MESSAGE,
    default: '127.0.0.1:8080',
  },
)

/** `admin.listen`. */
export const AdminListenSchema = Type.Union(
  [
    kind.parsed(
      (given): { address: ListenAddress; mode?: number } | undefined => {
        const target = parseListen(given)
        return target === undefined ? undefined : { address: target }
      },
      { errorMessage: LISTEN_MESSAGE },
    ),
    kind.section({ address, mode }, {}),
  ],
  { description: 'Where the admin API listens.', errorMessage: LISTEN_MESSAGE, default: '127.0.0.1:9900' },
)
