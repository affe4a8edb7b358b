import { Type } from 'typebox'
import * as kind from './kinds.ts'

/** Methods that may be repeated without harm, RFC 9110 §9.2.2. */
const IDEMPOTENT: readonly string[] = ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']

export const SplitBySchema = Type.Union(
  [kind.choice(['request', 'cookie', 'ip'], {}), Type.String({ pattern: `^(header|cookie):${kind.TOKEN}$` })],
  {
    description:
      'What keeps a client in one pool while the split moves: request (nothing), cookie (one that Cutover issues), ip, header:NAME or cookie:NAME.',
    errorMessage: 'expected request, cookie, ip, header:NAME or cookie:NAME',
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
      'Choice of a server in the pool: leastRequest (the less busy of two random ones), roundRobin (smooth, by weight), or hash:ip, hash:path, hash:header:NAME, hash:cookie:NAME (requests with the same value go to the same server).',
    explain: (given: string) =>
      given.startsWith('hash') ? 'expected hash:ip, hash:path, hash:header:NAME or hash:cookie:NAME' : undefined,
    default: 'leastRequest',
  },
)

const Sticky = kind.section(
  {
    cookie: kind.token({ description: 'Name of the cookie that remembers the server.' }),
    ttl: kind.duration({
      description: 'How long a client keeps the cookie once it has it.',
      default: '1d',
      minMs: 1_000,
      maxMs: 400 * 86_400_000,
    }),
  },
  {},
)

export const StickySchema = Type.Union([Type.Literal(false), Sticky], {
  description: 'Keeps a client on one server by a cookie: {cookie, ttl}, or false.',
  errorMessage: 'expected {cookie, ttl}, or false',
  default: false,
})

export const PassiveSchema = kind.section(
  {
    maxFails: kind.count({
      description: 'Failed requests in a row, within failTimeout, that eject a server; 0 = off.',
      default: 3,
    }),
    failTimeout: kind.duration({
      description:
        'Period over which failures are counted, and duration of an ejection, after which one request tries the server.',
      default: '30s',
      minMs: 1,
    }),
    maxEjected: kind.percent({
      description: 'Max share of a pool that is ejected; never its last server.',
      default: '50%',
    }),
  },
  {
    description: 'Ejects servers by the outcomes of requests: connect errors, timeouts, resets, statuses 500-599.',
    default: {},
  },
)

const methods = (options: kind.KeyOptions & { readonly minItems?: number }) =>
  kind.list(
    kind.parsed((given) => (new RegExp(`^${kind.TOKEN}$`).test(given) ? given.toUpperCase() : undefined), {
      errorMessage: 'expected a method such as GET',
    }),
    options,
  )

export const RetrySchema = kind.section(
  {
    attempts: kind.count({ description: 'Max tries, including the first; 1 = no retries.', default: 2, minimum: 1 }),
    on: kind.list(kind.choice(['connect', 'reset', 'timeout', 'invalid'], {}), {
      description:
        'connect = no connection was established. Only before the first byte of the answer, and only for methods: reset = the connection broke, timeout = timeouts.response has passed, invalid = the answer was not HTTP.',
      default: ['connect', 'reset'],
    }),
    statuses: kind.list(kind.count({ minimum: 400, maximum: 599 }), {
      description: 'Statuses after which another server is tried, only for methods.',
      default: [],
    }),
    methods: Type.Union([kind.decoded(Type.Literal('idempotent'), () => IDEMPOTENT), methods({})], {
      description: 'Methods that may be sent again after a part was sent: idempotent, or a list.',
      errorMessage: 'expected idempotent, or a list of methods such as [GET, HEAD]',
      default: 'idempotent',
    }),
    budget: kind.percent({
      description:
        'Retries of what was sent are at most this share of the requests, beside a reserve of 10 for each worker. 0 = none.',
      default: '20%',
    }),
    bodyBytes: kind.size({
      description: 'Max size of bodies that are kept for a retry, only for methods; 0 = none.',
      default: '64kb',
    }),
  },
  { description: 'Conditions under which a request is tried on another server.', default: {} },
)

export const MirrorFields = {
  percent: kind.share({ description: 'Share of the requests that are copied.', default: 100 }),
  methods: methods({
    description: 'Methods of the requests that are copied. The copies are executed: choose those that change nothing.',
    default: ['GET', 'HEAD'],
    minItems: 1,
  }),
  bodyBytes: kind.size({
    description: 'Requests with larger bodies are not copied; 0 = only those without a body.',
    default: '1mb',
  }),
  inFlight: kind.count({
    description: 'Max copies at a time in each worker; further ones are dropped.',
    default: 64,
    minimum: 1,
  }),
}

const Mirror = kind.section(
  { to: kind.text({ description: 'The pool that gets the copies; its answers are discarded.' }), ...MirrorFields },
  {},
)

export const MirrorSchema = Type.Union([Mirror, Type.Null()], {
  description: 'Sends copies of requests to another pool: {to, percent, methods, bodyBytes, inFlight}, or null.',
  errorMessage: 'expected {to, percent, …}, or null',
  default: null,
})

const edits = (description: string) =>
  kind.section(
    {
      set: kind.fields({ description: 'Fields to set, replacing existing ones.', default: {} }),
      remove: kind.list(kind.token({}), { description: 'Fields to remove.', default: [] }),
    },
    { description, default: {} },
  )

export const HeadersSchema = kind.section(
  { request: edits('Changes to requests for the servers.'), response: edits('Changes to responses for the clients.') },
  { description: 'Header fields to set or remove.', default: {} },
)
