import { Type } from 'typebox'
import { parseStatuses } from '../units.ts'
import * as kind from './kinds.ts'
import { LongTest, testsByName } from './value-tests.ts'

const STATUSES = 'expected status codes such as 200-299 or 200,204,300-399'

const statuses = (options: kind.KeyOptions) =>
  kind.decoded(
    Type.Union([Type.String({ pattern: '^[1-5]\\d\\d' }), Type.Integer()], { errorMessage: STATUSES, ...options }),
    parseStatuses,
  )

const jsonValue = Type.Union([Type.String(), Type.Number(), Type.Boolean(), LongTest], {
  description: 'The exact value, or conditions on a text.',
  errorMessage: 'expected a text, a number, true, false, or {present}, {prefix}, {suffix} or {contains}',
})

const Expected = kind.section(
  {
    status: statuses({ description: 'Status codes that pass.', default: '200-299' }),
    header: testsByName('Header fields of the answer.', 'expected the name of a header field'),
    json: Type.Optional(
      Type.Record(Type.String({ pattern: '^(/([^~/]|~[01])*)*$' }), jsonValue, {
        additionalProperties: false,
        nameMessage: 'expected a JSON pointer such as /status or /checks/0/state',
        errorMessage: 'expected values by JSON pointer, such as {/status: ok}',
        description: 'Values in the JSON of the answer, by JSON pointer (RFC 6901); at most 64 KiB are read.',
      }),
    ),
  },
  {},
)

const Health = kind.section(
  {
    path: kind.text({
      description: 'Path of the probe, a GET request.',
      default: '/healthz',
      pattern: '^/[\\x21-\\x7e]*$',
      errorMessage: 'expected a path such as /healthz',
    }),
    interval: kind.duration({ description: 'Time from one probe of a server to the next.', default: '1s', minMs: 1 }),
    timeout: kind.duration({ description: 'Time after which a probe has failed.', default: '5s', minMs: 1 }),
    rise: kind.count({ description: 'Passes in a row that bring a server up.', default: 1, minimum: 1 }),
    fall: kind.count({ description: 'Failures in a row that bring a server down.', default: 3, minimum: 1 }),
    expect: Type.Union([statuses({}), Expected], {
      description: 'Status codes that pass; or {status, header, json}, all of which must hold.',
      default: '200-299',
      errorMessage: 'expected status codes such as 200-299 or 200,204,300-399, or {status, header, json}',
    }),
    host: kind.text({
      description: "Host header of the probe; empty = the server's own address.",
      default: '',
      pattern: '^[\\x21-\\x7e]*$',
      errorMessage: 'expected a host, with its port or without',
    }),
    port: kind.count({ description: "Port to probe; 0 = the server's own.", default: 0, maximum: 65_535 }),
    headers: kind.fields({ description: 'Header fields of the probe.', default: {} }),
    body: kind.text({ description: 'Text that the body of the answer must contain; empty = any.', default: '' }),
    grpc: Type.Optional(
      kind.text({
        description:
          'Probe by the health service of gRPC (grpc.health.v1.Health/Check): the name of the service to ask for; "" = the whole server.',
        pattern: '^[\\x20-\\x7e]{0,200}$',
        errorMessage: 'expected the name of a gRPC service, such as shop.v1.Cart, or "" for the whole server',
      }),
    ),
    tcp: Type.Optional(kind.flag({ description: 'Probe by a connection alone: the server is up if it accepts it.' })),
    tls: Type.Optional(
      kind.flag({ description: 'Probe by a TLS handshake alone, with the tls settings of the server.' }),
    ),
  },
  {},
)

export const HealthSchema = Type.Union([Health, kind.off()], {
  description: 'Probes of the servers; off = all servers count as up.',
  errorMessage: 'expected {path, interval, …}, or off',
  default: {},
})
