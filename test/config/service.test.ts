import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkService } from '../../src/config/check-service.ts'
import { problemsOf, SMALL, specOf } from './support.ts'

const TWO = { blue: { servers: { a: 'http://a:1' } }, green: { servers: { b: 'http://b:1' } } }

test('the smallest service gets every default', () => {
  expect(specOf(SMALL)).toEqual({
    hosts: [],
    paths: ['/'],
    stripPrefix: false,
    pools: { blue: { version: 'blue', servers: { blue1: { url: 'http://10.0.0.1:9000', weight: 1, backup: false } } } },
    split: { blue: 100 },
    balance: 'leastRequest',
    traffic: { splitBy: 'request', routes: [], sticky: null, slowStartMs: 0, headers: null, mirror: null },
    versionHeader: '',
    health: {
      path: '/healthz',
      intervalMs: 1000,
      timeoutMs: 5000,
      rise: 1,
      fall: 3,
      expect: [[200, 299]],
      host: '',
      port: 0,
      headers: {},
      body: '',
    },
    passive: { maxFails: 3, failTimeoutMs: 30_000, maxEjected: 50 },
    panic: 0,
    retry: {
      attempts: 2,
      on: ['connect', 'reset'],
      statuses: [],
      methods: ['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'],
      budget: 0.2,
      bodyBytes: 65_536,
    },
    timeouts: { connectMs: 2000, responseMs: 60_000, idleMs: 60_000, queueMs: 0 },
    handoverMs: 30_000,
    connections: { perServer: 0, keepAliveMs: 4000 },
    drain: { timeoutMs: 30_000, websockets: 'close' },
    minReady: 1,
  })
})

test('written values are resolved', () => {
  const spec = specOf({
    hosts: ['Shop.Example.com', 'shop.example.com'],
    paths: ['/shop/', '/'],
    stripPrefix: true,
    pools: { blue: { version: '1.10', servers: { a: { url: 'http://A:1/', weight: 0 } } }, green: {} },
    split: { blue: 33.33, green: 66.67 },
    balance: 'roundRobin',
    health: { interval: '250ms', expect: '200,300-399', headers: { 'x-probe': '1' } },
    passive: { maxFails: 0, failTimeout: '250ms', maxEjected: '33.33%' },
    panic: '50%',
    retry: { on: [], methods: ['get', 'POST'] },
    drain: { timeout: 0, websockets: 'keep' },
  })
  expect(spec).toMatchObject({
    hosts: ['shop.example.com'],
    paths: ['/shop', '/'],
    stripPrefix: true,
    pools: { blue: { version: '1.10', servers: { a: { url: 'http://a:1', weight: 0 } } }, green: { servers: {} } },
    split: { blue: 33.33, green: 66.67 },
    balance: 'roundRobin',
    passive: { maxFails: 0, failTimeoutMs: 250, maxEjected: 33.33 },
    panic: 50,
    retry: { on: [], methods: ['GET', 'POST'] },
    drain: { timeoutMs: 0, websockets: 'keep' },
  })
  expect(spec.health).toMatchObject({ intervalMs: 250, headers: { 'x-probe': '1' } })
  expect(spec.health?.expect).toEqual([
    [200, 200],
    [300, 399],
  ])
})

test('health off, as YAML 1.2 and 1.1 read it, is no health check; an empty key is its default', () => {
  expect(specOf({ ...SMALL, health: 'off' }).health).toBeNull()
  expect(specOf({ ...SMALL, health: false }).health).toBeNull()
  expect(specOf({ ...SMALL, health: null, timeouts: null, hosts: null })).toEqual(specOf(SMALL))
})

describe('one problem, reported once with its path', () => {
  test.for<[object, string]>([
    [{ ballance: 'x' }, 'ballance: unknown key "ballance"; did you mean "balance"?'],
    [{ min_ready: 1 }, 'min_ready: unknown key "min_ready"; did you mean "minReady"?'],
    [
      { health: { zzz: 1 } },
      'health.zzz: unknown key "zzz" (known: path, interval, timeout, rise, fall, expect, host, port, headers, body, grpc, tcp, tls)',
    ],
    [
      { balance: 'leastrequest' },
      'balance: unknown value "leastrequest"; did you mean "leastRequest"? (leastRequest, roundRobin)',
    ],
    [{ balance: 5 }, 'balance: expected one of leastRequest, roundRobin, got 5'],
    [
      { retry: { on: ['connect', 'timeouts'] } },
      'retry.on[1]: unknown value "timeouts"; did you mean "timeout"? (connect, reset, timeout, invalid)',
    ],
    [
      { retry: { methods: 'all' } },
      'retry.methods: expected idempotent, or a list of methods such as [GET, HEAD], got "all"',
    ],
    [{ retry: { attempts: 0 } }, 'retry.attempts: expected a whole number of at least 1, got 0'],
    [{ health: 'on' }, 'health: expected {path, interval, …}, or off, got "on"'],
    [
      { health: { timeout: 0 } },
      'health.timeout: expected a duration with its unit, such as 250ms, 5s, 2m or 1h, at least 1ms, at most 24d, got 0',
    ],
    [
      { health: { interval: '25d' } },
      'health.interval: expected a duration with its unit, such as 250ms, 5s, 2m or 1h, at least 1ms, at most 24d, got "25d"',
    ],
    [
      { health: { expect: '2xx' } },
      'health.expect: expected status codes such as 200-299 or 200,204,300-399, or {status, header, json}, got "2xx"',
    ],
    [
      { health: { headers: { 'x-a': 1 } } },
      'health.headers.x-a: expected text (numbers in quotes), no control characters, and not (hidden)',
    ],
    [
      { timeouts: { connect: 5 } },
      'timeouts.connect: expected a duration with its unit, such as 250ms, 5s, 2m or 1h, at most 24d, got 5',
    ],
    [{ timeouts: '5s' }, 'timeouts: expected keys and values, got "5s"'],
    [{ hosts: 'shop.example.com' }, 'hosts: expected a list, got "shop.example.com"'],
    [
      { hosts: ['a:80'] },
      'hosts[0]: expected a host name without a port, such as shop.example.com or *.shop.example.com, got "a:80"',
    ],
    [{ paths: [] }, 'paths: must not be empty'],
    [{ paths: ['shop'] }, 'paths[0]: expected a path such as /shop, without query or fragment, got "shop"'],
    [{ stripPrefix: 'yes' }, 'stripPrefix: expected true or false, got "yes"'],
    [{ minReady: -1 }, 'minReady: expected a whole number of at least 0, got -1'],
    [{ pools: {} }, 'pools: must not be empty: a service needs a pool'],
    [
      { pools: undefined },
      'pools: is missing; expected pools by name, such as {blue: {servers: {blue1: http://10.0.0.1:9000}}}',
    ],
    [{ pools: { blue: 5 } }, 'pools.blue: expected a pool, {version, servers}, got 5'],
    [
      { pools: { blue: { version: 1.1 } } },
      'pools.blue.version: expected 1 to 200 characters on one line (a number in quotes), got 1.1',
    ],
    [
      { pools: { blue: { servers: ['http://a:1'] } } },
      'pools.blue.servers: expected servers by name, such as {blue1: http://10.0.0.1:9000}, got a list',
    ],
    [
      { pools: { 'b c': {} } },
      'pools["b c"]: cannot be a name; use at most 63 letters, digits, dots, dashes and underscores, a letter or digit first',
    ],
    [
      server('10.0.0.1:9000'),
      'pools.blue.servers.a: expected an address such as http://10.0.0.1:9000, or {url, weight, backup, tls, proxyProtocol}, got "10.0.0.1:9000"',
    ],
    [
      server({ url: 'http://a:1', wieght: 2 }),
      'pools.blue.servers.a.wieght: unknown key "wieght"; did you mean "weight"?',
    ],
    [
      server({ url: 'http://a/path' }),
      'pools.blue.servers.a.url: has a path (/path); requests keep the path they came with, so write http://a',
    ],
    [
      server('http://u:p@a:1/'),
      'pools.blue.servers.a: has a user or password in it, which servers do not take; write http://a:1',
    ],
    [server('http://a:1?x'), 'pools.blue.servers.a: has a query or fragment; write http://a:1'],
    [
      server('http://a,b:80'),
      'pools.blue.servers.a: expected an address such as http://10.0.0.1:9000, or {url, weight, backup, tls, proxyProtocol}, got "http://a,b:80"',
    ],
    [
      { paths: ['/api/*'] },
      'paths[0]: has a "*"; paths are prefixes and need none: /api covers /api and everything below it',
    ],
    [{ hosts: ['*'] }, 'hosts[0]: is "*", which is not needed: without hosts, a service answers to any host'],
    [
      server({ weight: 2 }),
      'pools.blue.servers.a.url: is missing; expected scheme, host and port and nothing more, such as http://10.0.0.1:9000; unix:/run/app.sock; or srv://_http._tcp.web.internal',
    ],
    [
      server({ url: 'http://a:1', weight: 1001 }),
      'pools.blue.servers.a.weight: expected a whole number from 0 to 1000, got 1001',
    ],
    [{ split: { blue: 95 } }, 'split: must sum to 100, not 95'],
    [{ split: { blu: 100 } }, 'split.blu: no such pool; did you mean "blue"? (blue)'],
    [{ split: { blue: '100' } }, 'split.blue: expected a number from 0 to 100 with at most two decimals, got "100"'],
    [{ split: { blue: 99.999 } }, 'split.blue: expected a number from 0 to 100 with at most two decimals, got 99.999'],
    [{ split: 100 }, 'split: expected percent by pool, such as {blue: 95, green: 5}, got 100'],
    [{ pools: TWO }, 'split: is missing; say which pool gets the traffic, such as {blue: 100}'],
    [{ pools: TWO, split: { blue: 100, green: 5 } }, 'split: must sum to 100, not 105'],
  ])('%j', ([changes, problem]) => {
    expect(problemsOf(changes)).toEqual([problem])
  })
})

function server(definition: unknown): object {
  return { pools: { blue: { servers: { a: definition } } } }
}

test('all problems are reported at once, those beyond the schema included, and without consequential ones', () => {
  const problems = problemsOf({
    ballance: 1,
    pools: { blue: 5, green: { servers: { a: 'nowhere' } }, grey: {} },
    split: { blue: 50, gren: 49 },
    health: { interval: '1x', fall: 0 },
    routes: [{ name: 'beta', match: { method: 'GET' }, to: 'gren' }],
  })
  expect(problems.map((line) => line.split(': ')[0])).toEqual([
    'ballance',
    'pools.blue',
    'pools.green.servers.a',
    'health.interval',
    'health.fall',
    'split.gren',
    'split',
    'routes[0].to',
  ])
})

test('three thirds of two decimals are 100', () => {
  const pools = { a: {}, b: {}, c: {} }
  expect(specOf({ pools, split: { a: 33.33, b: 33.33, c: 33.34 } }).split).toEqual({ a: 33.33, b: 33.33, c: 33.34 })
})

test('any two shares that add up to 100 in hundredths are a split', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000 }), (hundredths) => {
      const split = { blue: hundredths / 100, green: (10_000 - hundredths) / 100 }
      expect(specOf({ pools: TWO, split }).split).toEqual(split)
    }),
  )
})

test('names that objects inherit are valid names, except __proto__', () => {
  const spec = specOf({ pools: { constructor: { servers: { toString: 'http://a:1' } } } })
  expect(Object.keys(spec.pools)).toEqual(['constructor'])
  expect(spec.split).toEqual({ constructor: 100 })
  expect(problemsOf({ constructor: 1 })[0]).toMatch(/^constructor: unknown key "constructor"/)
  expect(problemsOf({ split: { constructor: 100 } })).toEqual(['split.constructor: no such pool (blue)'])
  const source = JSON.parse('{"pools": {"__proto__": {"servers": {}}, "blue": {}}, "__proto__": {"minReady": 0}}')
  const checked = checkService('shop', source)
  expect(checked.ok ? [] : checked.problems.map(({ path }) => path)).toEqual(['__proto__', 'pools.__proto__'])
  expect(Object.keys(Object.prototype)).toEqual([])
})

test('paths begin with the one of the caller; the name is checked as well', () => {
  const checked = checkService('a b', { ...SMALL, minReady: 'x' }, 'services["a b"]')
  expect(checked.ok ? [] : checked.problems.map(({ path }) => path)).toEqual([
    'services["a b"].minReady',
    'services["a b"]',
  ])
})

test.for([null, undefined, [], 'x', 5])('%j is refused as a service', (source) => {
  expect(checkService('shop', source)).toMatchObject({ ok: false, problems: [{ path: '' }] })
})

test('any value is accepted or reported as a problem, never thrown', () => {
  const key = fc.constantFrom(
    'hosts',
    'paths',
    'pools',
    'split',
    'balance',
    'health',
    'retry',
    'sticky',
    'routes',
    'drain',
  )
  fc.assert(
    fc.property(fc.dictionary(key, fc.jsonValue()), (source) => {
      const checked = checkService('shop', { ...SMALL, ...source })
      expect(checked.ok || checked.problems.length > 0).toBe(true)
    }),
  )
})
