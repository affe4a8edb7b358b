import { Type } from 'typebox'
import { explainPathPrefix, parsePathPrefix } from '../addresses.ts'
import { parseStatuses } from '../units.ts'
import * as kind from './kinds.ts'

/** Methods that may be repeated without harm, RFC 9110 §9.2.2. */
const IDEMPOTENT: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']

export const SplitBySchema = Type.Union(
  [kind.choice(['request', 'cookie', 'ip'], {}), Type.String({ pattern: `^header:${kind.TOKEN}$` })],
  {
    description: 'Who keeps to one pool while the split moves: request (nobody), cookie, ip or header:NAME.',
    default: 'request',
  },
)

export const BalanceSchema = Type.Union(
  [
    kind.choice(['leastRequest', 'roundRobin'], {}),
    Type.String({ pattern: `^hash:(ip|path|(header|cookie):${kind.TOKEN})$` }),
  ],
  {
    description:
      'How a server of the pool is chosen: leastRequest (the less busy of two random ones), roundRobin (by weight, smoothly), or hash:ip, hash:path, hash:header:NAME, hash:cookie:NAME.',
    default: 'leastRequest',
  },
)

const Sticky = kind.section(
  {
    cookie: kind.token({ description: 'Name of the cookie that remembers the server.' }),
    ttl: kind.duration({ description: 'How long the cookie lives.', default: '1d', mostMs: 400 * 86_400_000 }),
  },
  {},
)

export const StickySchema = Type.Union([Type.Literal(false), Sticky], {
  description: 'Keep a client on one server by a cookie: {cookie, ttl}, or false.',
  errorMessage: 'expected {cookie, ttl}, or false',
  default: false,
})

const Health = kind.section(
  {
    path: kind.text({
      description: 'What is asked for, with GET.',
      default: '/healthz',
      pattern: '^/[\\x21-\\x7e]*$',
      errorMessage: 'expected a path such as /healthz',
    }),
    interval: kind.duration({ description: 'From one probe of a server to its next.', default: '1s', leastMs: 1 }),
    timeout: kind.duration({ description: 'A probe slower than this has failed.', default: '5s', leastMs: 1 }),
    rise: kind.count({ description: 'Passes in a row that bring a server up.', default: 1, minimum: 1 }),
    fall: kind.count({ description: 'Failures in a row that bring a server down.', default: 3, minimum: 1 }),
    expect: kind.decoded(
      Type.Union([Type.String({ pattern: '^[1-5]\\d\\d' }), Type.Integer()], {
        description: 'Status codes that pass.',
        default: '200-299',
        errorMessage: 'expected status codes such as 200-299 or 200,204,300-399',
      }),
      parseStatuses,
    ),
    host: kind.text({
      description: "Host header of the probe; empty = the server's own address.",
      default: '',
      pattern: '^[\\x21-\\x7e]*$',
      errorMessage: 'expected a host, with its port or without',
    }),
    port: kind.count({ description: "Port to probe; 0 = the server's own.", default: 0, maximum: 65_535 }),
    headers: kind.fields({ description: 'Header fields of the probe.', default: {} }),
    body: kind.text({ description: 'Text that the body of the answer must contain; empty = any.', default: '' }),
  },
  {},
)

export const HealthSchema = Type.Union([Health, kind.off()], {
  description: 'How servers are probed; off = servers count as up.',
  errorMessage: 'expected {path, interval, …}, or off',
  default: {},
})

export const PassiveSchema = kind.section(
  {
    maxFails: kind.count({
      description: 'Requests failing in a row, within failTimeout, that eject a server; 0 = off.',
      default: 3,
    }),
    failTimeout: kind.duration({
      description: 'The time failures are counted over, and an ejection lasts; then one request tries the server.',
      default: '30s',
      leastMs: 1,
    }),
    maxEjected: kind.percent({
      description: 'At most this share of a pool is ejected, and never its last server.',
      default: '50%',
    }),
  },
  {
    description: 'Ejects servers by what requests meet: connect errors, timeouts, resets, statuses 500-599.',
    default: {},
  },
)

const Methods = kind.list(
  kind.parsed((given) => (new RegExp(`^${kind.TOKEN}$`).test(given) ? given.toUpperCase() : undefined), {
    errorMessage: 'expected a method such as GET',
  }),
  {},
)

export const RetrySchema = kind.section(
  {
    attempts: kind.count({ description: 'Tries in all, the first included; 1 = no retries.', default: 2, minimum: 1 }),
    on: kind.list(kind.choice(['connect', 'reset', 'timeout', 'invalid'], {}), {
      description:
        'connect = no connection came about; before the first byte of the answer, and only for methods: reset = the connection broke, timeout = timeouts.response has passed, invalid = the answer was no HTTP.',
      default: ['connect', 'reset'],
    }),
    statuses: kind.list(kind.count({ minimum: 400, maximum: 599 }), {
      description: 'Statuses to try again elsewhere, only for methods.',
      default: [],
    }),
    methods: Type.Union([kind.decoded(Type.Literal('idempotent'), () => IDEMPOTENT), Methods], {
      description: 'Methods that may be sent again after something was sent: idempotent, or a list.',
      errorMessage: 'expected idempotent, or a list of methods such as [GET, HEAD]',
      default: 'idempotent',
    }),
    budget: kind.percent({
      description:
        'Retries of what was sent are at most this share of the requests, beside a reserve of 10 for each worker. 0 = none.',
      default: '20%',
    }),
    bodyBytes: kind.size({
      description: 'Bodies up to this are kept for a retry, only for methods; 0 = none.',
      default: '64kb',
    }),
  },
  { description: 'When a request is tried on another server.', default: {} },
)

const oneOrMore = (description: string) =>
  Type.Optional(Type.Union([kind.text({}), kind.list(kind.text({}), {})], { description }))

const valuesByName = (description: string) => Type.Optional(kind.fields({ description }))

const Match = kind.section(
  {
    method: oneOrMore('The method, or several.'),
    path: Type.Optional(
      kind.parsed(parsePathPrefix, {
        description: 'A path prefix.',
        errorMessage: 'expected a path such as /api',
        explain: explainPathPrefix,
      }),
    ),
    header: valuesByName('Header fields and their values.'),
    cookie: valuesByName('Cookies and their values.'),
    query: valuesByName('Query parameters and their values.'),
    ip: oneOrMore("The client's address or network, or several."),
  },
  { description: 'All of these must fit.' },
)

export const RoutesSchema = kind.list(
  kind.section(
    {
      name: kind.text({ description: 'How this route is called in figures and explanations.' }),
      match: Match,
      to: kind.text({ description: 'The pool that gets what fits.' }),
    },
    {},
  ),
  { description: 'Asked in order before the split; the first that fits decides.', default: [] },
)

const Mirror = kind.section(
  {
    to: kind.text({ description: 'The pool that gets the copies; its answers are thrown away.' }),
    percent: kind.share({ description: 'Share of the requests that are copied.', default: 100 }),
    bodyBytes: kind.size({ description: 'Requests with larger bodies are not copied.', default: '1mb' }),
  },
  {},
)

export const MirrorSchema = Type.Union([Mirror, Type.Null()], {
  description: 'Sends copies of requests to another pool: {to, percent, bodyBytes}, or null.',
  errorMessage: 'expected {to, percent, bodyBytes}, or null',
  default: null,
})

const edits = (description: string) =>
  kind.section(
    {
      set: kind.fields({ description: 'Fields that are set, replacing what is there.', default: {} }),
      remove: kind.list(kind.token({}), { description: 'Fields that are removed.', default: [] }),
    },
    { description, default: {} },
  )

export const HeadersSchema = kind.section(
  { request: edits('On the way to the server.'), response: edits('On the way to the client.') },
  { description: 'Header fields that are set or removed.', default: {} },
)
