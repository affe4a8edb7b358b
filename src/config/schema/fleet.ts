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
  Type.Optional(
    kind.text({ description: `Password ${whose}; better put there from the environment.`, writeOnly: true }),
  )
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
              description: 'How the sentinels call the primary.',
              pattern: '^\\S+$',
              errorMessage: 'expected the name that the sentinels have for the primary, without blanks',
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
          ca: file('File of the authorities to trust instead of the usual ones, PEM.'),
          cert: file('File of our certificate, PEM.'),
          key: file('File of its key, PEM.'),
        },
        { description: 'TLS to Redis, sentinels and cluster included; rediss:// needs it only for files of its own.' },
      ),
    ),
    prefix: kind.text({
      description: 'One fleet, one prefix.',
      default: 'cutover',
      pattern: '^[^\\s{}]{1,100}$',
      errorMessage: 'expected 1 to 100 characters without blanks and braces',
    }),
    path: kind.path({ description: 'Folder of the embedded store, and of the last known state.', default: './data' }),
  },
  { description: 'Where the state lives.', default: {} },
)

export const FleetSection = kind.section(
  {
    name: Type.Optional(
      kind.parsed((text) => (/^[\x21-\x7e]{1,100}$/.test(text) ? text : undefined), {
        description: 'How the fleet calls this instance; the name of the machine where it is not given.',
        errorMessage: 'expected a name without blanks',
      }),
    ),
    address: Type.Optional(
      kind.parsed(parseHttpOrigin, {
        description: 'Where the others reach our admin API: http://10.0.0.1:9900; found out where it is not given.',
        errorMessage: 'expected http://HOST:PORT',
      }),
    ),
    token: Type.Optional(
      kind.text({
        description: 'What instances show each other when one hands a call on to another; the same everywhere.',
        pattern: '^[\\x21-\\x7e]{8,}$',
        errorMessage: 'expected at least 8 characters, no spaces',
        writeOnly: true,
      }),
    ),
  },
  { description: 'This instance among those that share its store.', default: {} },
)
