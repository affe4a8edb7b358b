import { Type } from 'typebox'
import { parseHttpOrigin, parseNode } from '../addresses.ts'
import * as kind from './kinds.ts'

const redisUrl = kind.text({
  pattern: '^(rediss?://\\S+)?$',
  errorMessage: 'expected redis:// or rediss://',
  writeOnly: true,
})

const nodes = (description: string, defaultPort: number) =>
  kind.list(
    kind.parsed((text) => parseNode(text, defaultPort), {
      errorMessage: `expected a host, or host and port, such as redis-1:${defaultPort}`,
    }),
    { description, minItems: 1 },
  )

const user = (whose: string) => Type.Optional(kind.text({ description: `User ${whose} (ACL).` }))
const password = (whose: string) =>
  Type.Optional(kind.text({ description: `Password ${whose}; preferably from the environment.`, writeOnly: true }))
const file = (description: string) => Type.Optional(kind.path({ description }))

export const StoreSection = kind.section(
  {
    redis: Type.Union(
      [
        redisUrl,
        kind.section(
          {
            sentinels: nodes('Each sentinel.', 26_379),
            name: kind.text({
              description: 'Name of the primary at the sentinels.',
              pattern: '^\\S+$',
              errorMessage: 'expected the name of the primary at the sentinels, without blanks',
            }),
            username: user('of Redis'),
            password: password('of Redis'),
            sentinelUsername: user('of the sentinels'),
            sentinelPassword: password('of the sentinels'),
          },
          {},
        ),
        kind.section(
          {
            cluster: nodes('Some of its nodes.', 6_379),
            username: user('of Redis'),
            password: password('of Redis'),
          },
          {},
        ),
      ],
      {
        description: 'redis:// or rediss://, {sentinels, name} or {cluster}; empty = the embedded store.',
        errorMessage: 'expected redis:// or rediss://, {sentinels, name} or {cluster}',
        writeOnly: true,
        default: '',
      },
    ),
    tls: Type.Optional(
      kind.section(
        {
          ca: file('PEM file with the authorities to trust instead of the default ones.'),
          cert: file('PEM file with the client certificate.'),
          key: file('PEM file with the key of the client certificate.'),
        },
        { description: 'TLS to Redis, also for sentinels and clusters; with rediss:// needed only for these files.' },
      ),
    ),
    secret: kind.text({
      description:
        'Encrypts keys in the store, the same for the whole fleet; preferably from the environment. Empty = they are in plain text.',
      default: '',
      pattern: '^$|^[\\x20-\\x7e]{16,}$',
      errorMessage: 'expected at least 16 ASCII characters',
      writeOnly: true,
    }),
    prefix: kind.text({
      description: 'Prefix of all keys, one per fleet.',
      default: 'cutover',
      pattern: '^[^\\s{}]{1,100}$',
      errorMessage: 'expected 1 to 100 characters without blanks and braces',
    }),
    path: kind.path({ description: 'Folder of the embedded store, and of the last known state.', default: './data' }),
  },
  { description: 'Storage of the state.', default: {} },
)

export const FleetSection = kind.section(
  {
    name: Type.Optional(
      kind.parsed((text) => (/^[\x21-\x7e]{1,100}$/.test(text) ? text : undefined), {
        description: 'Name of this instance in the fleet; by default the name of the machine.',
        errorMessage: 'expected a name without blanks',
      }),
    ),
    address: Type.Optional(
      kind.parsed(parseHttpOrigin, {
        description: 'URL of the admin API for the other instances, such as http://10.0.0.1:9900; by default detected.',
        errorMessage: 'expected http://HOST:PORT',
      }),
    ),
    token: Type.Optional(
      kind.text({
        description: 'Token by which an instance passes calls on to another; the same everywhere.',
        pattern: '^[\\x21-\\x7e]{8,}$',
        errorMessage: 'expected at least 8 characters, no spaces',
        writeOnly: true,
      }),
    ),
  },
  { description: 'This instance in its fleet.', default: {} },
)
