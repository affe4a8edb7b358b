import { describe, expect, test } from 'vitest'
import { problemsOf, SMALL, specOf } from './support.ts'

const TWO = { blue: { servers: { b: 'http://a:1' } }, green: { servers: { g: 'http://a:2' } } }

const route = (match: object, more: object = {}): object => ({
  pools: TWO,
  split: { blue: 100 },
  routes: [{ name: 'beta', match, to: 'green', ...more }],
})

test.for<[string, unknown]>([
  ['request', 'request'],
  ['cookie', 'issuedCookie'],
  ['cookie:Session', { from: 'cookie', name: 'Session' }],
  ['ip', { from: 'ip' }],
  ['header:X-User', { from: 'header', name: 'x-user' }],
])('splitBy %s', ([given, expected]) => {
  expect(specOf({ ...SMALL, splitBy: given }).traffic.splitBy).toEqual(expected)
})

test.for<[string, unknown]>([
  ['hash:ip', { hash: { from: 'ip' } }],
  ['hash:path', { hash: { from: 'path' } }],
  ['hash:header:X-Tenant', { hash: { from: 'header', name: 'x-tenant' } }],
  ['hash:cookie:Cart', { hash: { from: 'cookie', name: 'Cart' } }],
])('balance %s', ([given, expected]) => {
  expect(specOf({ ...SMALL, balance: given }).balance).toEqual(expected)
})

test.for<[unknown, unknown]>([
  [false, null],
  [{ cookie: 'shop_server' }, { cookie: 'shop_server', ttlMs: 86_400_000 }],
  [
    { cookie: 's', ttl: '1h' },
    { cookie: 's', ttlMs: 3_600_000 },
  ],
])('sticky %j', ([given, expected]) => {
  expect(specOf({ ...SMALL, sticky: given }).traffic.sticky).toEqual(expected)
})

test('sticky and splitBy by different cookies', () => {
  expect(problemsOf({ splitBy: 'cookie', sticky: { cookie: 'server' } })).toEqual([])
  expect(problemsOf({ splitBy: 'ip', sticky: { cookie: 'cutover_id' } })).toEqual([])
})

test('a route as written becomes the conditions of the model', () => {
  const match = {
    method: ['get', 'HEAD'],
    path: { prefix: '/api' },
    header: { 'X-Beta': '1' },
    cookie: { Beta: { present: true } },
    query: { v: { prefix: '2', suffix: 'x' } },
    ip: '10.0.0.0/8',
    not: { path: '/api/old', header: { 'X-Old': { contains: 'y' } } },
  }
  expect(specOf(route(match)).traffic.routes).toEqual([
    {
      name: 'beta',
      match: {
        methods: ['GET', 'HEAD'],
        path: { prefix: '/api' },
        headers: { 'x-beta': { exact: '1' } },
        cookies: { Beta: { present: true } },
        query: { v: { prefix: '2', suffix: 'x' } },
        ips: ['10.0.0.0/8'],
        not: { path: { exact: '/api/old' }, headers: { 'x-old': { contains: 'y' } } },
      },
      to: 'green',
      onUnavailable: 'split',
    },
  ])
  expect(specOf(route({ ip: ['::1'] }, { onUnavailable: 'fail' })).traffic.routes[0]).toMatchObject({
    match: { ips: ['::1/128'] },
    onUnavailable: 'fail',
  })
})

test('a mirror, with its defaults and without', () => {
  const mirror = (given: object) => specOf({ pools: TWO, split: { blue: 100 }, mirror: given }).traffic.mirror
  expect(mirror({ to: 'green' })).toEqual({
    to: 'green',
    share: 10_000,
    methods: ['GET', 'HEAD'],
    bodyBytes: 1_048_576,
    inFlight: 64,
  })
  expect(
    mirror({ to: 'blue', percent: 0.29, methods: ['get', 'POST', 'post'], bodyBytes: '2kb', inFlight: 1 }),
  ).toEqual({
    to: 'blue',
    share: 29,
    methods: ['GET', 'POST'],
    bodyBytes: 2_048,
    inFlight: 1,
  })
})

describe('a problem is reported with its path', () => {
  test.for<[object, string]>([
    [{ splitBy: 'cokie' }, 'splitBy: expected request, cookie, ip, header:NAME or cookie:NAME, got "cokie"'],
    [{ balance: 'hash:user' }, 'balance: expected hash:ip, hash:path, hash:header:NAME or hash:cookie:NAME'],
    [
      { splitBy: 'cookie', sticky: { cookie: 'cutover_id' } },
      'sticky.cookie: is the cookie of splitBy: cookie; give it another name',
    ],
    [
      { splitBy: 'cookie:session', sticky: { cookie: 'session' } },
      'sticky.cookie: is the cookie of splitBy: cookie:session; give it another name',
    ],
    [{ sticky: true }, 'sticky: expected {cookie, ttl}, or false, got true'],
    [{ sticky: {} }, 'sticky.cookie: is missing; expected a name of letters, digits and dashes, as in HTTP'],
    [
      { sticky: { cookie: 'a b' } },
      'sticky.cookie: expected a name of letters, digits and dashes, as in HTTP, got "a b"',
    ],
    [
      { sticky: { cookie: 'a', ttl: 0 } },
      'sticky.ttl: expected a duration with its unit, such as 250ms, 5s, 2m or 1h, at least 1s, at most 400d, got 0',
    ],
    [route({}), 'routes[0].match: must not be empty'],
    [route({ not: {} }), 'routes[0].match.not: must not be empty'],
    [route({ path: {} }), 'routes[0].match.path: must not be empty'],
    [route({ headers: { a: 'b' } }), 'routes[0].match.headers: unknown key "headers"; did you mean "header"?'],
    [
      route({ header: { 'x y': '1' } }),
      'routes[0].match.header["x y"]: cannot be a name; expected the name of a header field',
    ],
    [
      route({ header: { 'x-beta': 1 } }),
      'routes[0].match.header.x-beta: expected a text (numbers in quotes), or {present}, {prefix}, {suffix} or {contains}, got 1',
    ],
    [route({ path: { prefx: '/a' } }), 'routes[0].match.path.prefx: unknown key "prefx"; did you mean "prefix"?'],
    [
      route({ ip: '10.0.0.0/40' }),
      'routes[0].match.ip: expected an address or network such as 10.0.0.0/8, or several, got "10.0.0.0/40"',
    ],
    [route({ method: 'GET' }, { to: 'gren' }), 'routes[0].to: no such pool; did you mean "green"? (blue, green)'],
    [
      { pools: TWO, split: { blue: 100 }, mirror: { to: 'gren' } },
      'mirror.to: no such pool; did you mean "green"? (blue, green)',
    ],
    [{ mirror: {} }, 'mirror.to: is missing; expected text (numbers in quotes)'],
    [{ mirror: 'blue' }, 'mirror: expected {to, percent, …}, or null, got "blue"'],
    [{ mirror: { to: 'blue', percnt: 1 } }, 'mirror.percnt: unknown key "percnt"; did you mean "percent"?'],
    [
      { mirror: { to: 'blue', percent: 100.01 } },
      'mirror.percent: expected a number from 0 to 100 with at most two decimals, got 100.01',
    ],
    [{ mirror: { to: 'blue', methods: [] } }, 'mirror.methods: must not be empty'],
    [{ mirror: { to: 'blue', methods: ['G T'] } }, 'mirror.methods[0]: expected a method such as GET, got "G T"'],
    [{ mirror: { to: 'blue', inFlight: 0 } }, 'mirror.inFlight: expected a whole number of at least 1, got 0'],
    [route({ method: 'GET' }, { onUnavailable: 'no' }), 'routes[0].onUnavailable: unknown value "no" (split, fail)'],
  ])('%j', ([changes, problem]) => {
    expect(problemsOf(changes)).toEqual([problem])
  })

  test('two routes of one name', () => {
    const beta = { name: 'beta', match: { method: 'GET' }, to: 'blue' }
    expect(problemsOf({ routes: [beta, beta] })).toEqual([
      'routes[1].name: is the name of routes[0] as well; give each its own',
    ])
  })
})
