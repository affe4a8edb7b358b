import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { configOf, configProblemsOf, SMALL } from './support.ts'

test('an empty file is a proxy without services, with the defaults', () => {
  expect(configOf({})).toEqual({
    proxy: {
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 8080 }],
      workers: 'auto',
      trustedProxies: [],
      limits: {
        headerBytes: 16_384,
        urlBytes: 8192,
        bodyBytes: 0,
        connections: 0,
        requestsPerConnection: 0,
        streams: 100,
        held: 10_000,
      },
      timeouts: { headerMs: 10_000, requestMs: 0, keepAliveMs: 75_000, idleBodyMs: 60_000, tunnelMs: 3_600_000 },
      forwarding: { forwarded: false, traceSample: 1 },
      accessLog: { format: 'json', sample: 1, file: '' },
    },
    hooks: { program: null, file: '', timeoutMs: 1_000, onError: 'fail' },
    shutdown: { acceptForMs: 0, timeoutMs: 30_000 },
    admin: {
      listen: { kind: 'tcp', host: '127.0.0.1', port: 9900 },
      hosts: [],
      tokens: [],
      trustedProxies: [],
      connections: 256,
      preview: null,
      readyAllow: ['127.0.0.0/8', '::1/128'],
    },
    store: { redis: null, tls: null, prefix: 'cutover', path: './data', secret: '' },
    fleet: { name: null, address: null, token: null },
    telemetry: { tracing: null },
    dns: { servers: [], timeoutMs: 2_000 },
    webhooks: [],
    configVersion: null,
    services: {},
    hasServices: false,
    servicesHash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
})

test('written values are resolved', () => {
  const config = configOf({
    proxy: {
      listen: [':80', { address: 'unix:/run/proxy.sock' }],
      trustedProxies: ['10.0.0.0/8', '192.0.2.1'],
      limits: { headerBytes: '32kb' },
      timeouts: { keepAlive: 0 },
      accessLog: 'off',
    },
    shutdown: { acceptFor: '5s' },
    admin: {
      listen: '0.0.0.0:9900',
      hosts: ['Cutover.example'],
      tokens: [{ name: 'ci', role: 'operate', token: 'secret-secret' }],
    },
    store: { path: '/var/lib/cutover' },
  })
  expect(config.proxy).toMatchObject({
    listen: [
      { kind: 'tcp', host: '', port: 80 },
      { kind: 'unix', path: '/run/proxy.sock' },
    ],
    trustedProxies: ['10.0.0.0/8', '192.0.2.1/32'],
    limits: { headerBytes: 32_768, urlBytes: 8192 },
    timeouts: { headerMs: 10_000, keepAliveMs: 0 },
    accessLog: null,
  })
  expect(config.shutdown.acceptForMs).toBe(5000)
  expect(config.admin.hosts).toEqual(['cutover.example'])
  expect(config.store.path).toBe('/var/lib/cutover')
})

test('only the SHA-256 of a token is kept, and a token may be given as that', () => {
  const digest = createHash('sha256').update('secret-secret').digest()
  const tokens = [
    { name: 'a', role: 'read', token: 'secret-secret' },
    { name: 'b', role: 'operate', tokenHash: digest.toString('hex') },
    { name: 'c', role: 'admin', tokenHash: `sha256:${digest.toString('hex').toUpperCase()}` },
  ]
  for (const token of tokens) {
    const config = configOf({ admin: { tokens: [token] } })
    expect(config.admin.tokens.map(({ sha256 }) => sha256)).toEqual([digest])
    expect(JSON.stringify(config)).not.toContain('secret-secret')
  }
})

test('services stay as written, except for nulls that mean a default', () => {
  const services = { shop: { ...SMALL, drain: { timeout: '1m' } } }
  expect(configOf({ services }).services).toEqual(services)
  const nulls = { shop: { ...services.shop, mirror: null, health: null, drain: { timeout: '1m', websockets: null } } }
  expect(configOf({ services: nulls }).services).toEqual(services)
})

test('the same services have the same hash, in any order', () => {
  const [a, b] = [
    { ...SMALL, hosts: ['a.example'] },
    { hosts: ['b.example'], ...SMALL },
  ]
  const hash = configOf({ services: { a, b } }).servicesHash
  expect(configOf({ services: { b: { ...SMALL, hosts: ['b.example'] }, a }, store: { path: 'x' } }).servicesHash).toBe(
    hash,
  )
  expect(configOf({ services: { a } }).servicesHash).not.toBe(hash)
})

test('a service may be called constructor', () => {
  const config = configOf({ services: { constructor: SMALL } })
  expect(Object.keys(config.services)).toEqual(['constructor'])
  expect(configProblemsOf(JSON.parse('{"services": {"__proto__": {"pools": {"blue": {}}}}}'))).toEqual([
    'services.__proto__: cannot be a name; use at most 63 letters, digits, dots, dashes and underscores, a letter or digit first',
  ])
})

describe('one problem, reported once with its path', () => {
  const token = { name: 'ci', role: 'read', token: 'secret-secret' }
  test.for<[unknown, string]>([
    [5, 'expected keys and values, got 5'],
    [{ prxy: {} }, 'prxy: unknown key "prxy"; did you mean "proxy"?'],
    [
      { proxy: { listen: '8080' } },
      'proxy.listen: expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path, got "8080"',
    ],
    [
      { proxy: { listen: [':1', ':99999'] } },
      'proxy.listen[1]: expected an address such as 127.0.0.1:8080, [::1]:8080, :8080 or unix:/path, got ":99999"',
    ],
    [{ proxy: { listen: [] } }, 'proxy.listen: must not be empty'],
    [{ proxy: { listen: [':1', ':1'] } }, 'proxy.listen[1]: :1 is taken by proxy.listen[0]'],
    [{ proxy: { listen: '127.0.0.1:9900' } }, 'admin.listen: 127.0.0.1:9900 is taken by proxy.listen'],
    [
      { proxy: { trustedProxies: ['10.0.0.0/40'] } },
      'proxy.trustedProxies[0]: expected a network such as 10.0.0.0/8 or ::1/128, or unix for the peers at socket files, got "10.0.0.0/40"',
    ],
    [
      { proxy: { limits: { headerBytes: '16kib' } } },
      'proxy.limits.headerBytes: expected a size such as 512b, 64kb, 2mb or 1gb, or a whole number of bytes, got "16kib"',
    ],
    [{ proxy: { accessLog: { sample: 2 } } }, 'proxy.accessLog.sample: expected a number from 0 to 1, got 2'],
    [{ proxy: { accessLog: 'on' } }, 'proxy.accessLog: expected {format, sample, file}, or off, got "on"'],
    [{ proxy: { workers: 'many' } }, 'proxy.workers: expected auto, or a whole number from 0 to 1024, got "many"'],
    [
      { admin: { listen: '0.0.0.0:9900' } },
      'admin.listen: only loopback may listen without tokens; add admin.tokens or listen on 127.0.0.1',
    ],
    [
      { admin: { listen: ':9900' } },
      'admin.listen: only loopback may listen without tokens; add admin.tokens or listen on 127.0.0.1',
    ],
    [
      { admin: { tokens: [{ ...token, role: 'root' }] } },
      'admin.tokens[0].role: unknown value "root" (read, operate, admin)',
    ],
    [
      { admin: { tokens: [token, { ...token, token: 'another-one' }] } },
      'admin.tokens[1].name: is the name of admin.tokens[0] as well',
    ],
    [{ admin: { tokens: [{ name: 'ci', role: 'read' }] } }, 'admin.tokens[0]: needs either token or tokenHash'],
    [
      { admin: { tokens: [{ ...token, tokenHash: 'a'.repeat(64) }] } },
      'admin.tokens[0]: needs either token or tokenHash',
    ],
    [
      { admin: { hosts: ['*.example.com'] } },
      'admin.hosts[0]: expected a host name without a port, got "*.example.com"',
    ],
    [{ services: [] }, 'services: expected services by name, such as {shop: {pools: {…}}}, got a list'],
    [{ services: { shop: null } }, 'services.shop: expected a service, {pools, split, …}, got null'],
    [
      { services: { 'shop.v2': {} } },
      'services["shop.v2"].pools: is missing; expected pools by name, such as {blue: {servers: {blue1: http://10.0.0.1:9000}}}',
    ],
  ])('%j', ([raw, problem]) => {
    expect(configProblemsOf(raw)).toEqual([problem])
  })

  test('without repeating a secret', () => {
    const secrets = [
      { name: 'a', role: 'read', token: 'hunter2' },
      { name: 'b', role: 'read', tokenHash: 'hunter2' },
    ]
    expect(configProblemsOf({ admin: { tokens: secrets }, store: { redis: 'http://:hunter2@redis' } })).toEqual([
      'admin.tokens[0].token: expected at least 8 characters, no spaces',
      'admin.tokens[1].tokenHash: expected the SHA-256 of the token, 64 hexadecimal digits',
      'store.redis: expected redis:// or rediss://, {sentinels, name} or {cluster}',
    ])
  })
})

test('the problems of all services are reported at once', () => {
  const services = {
    a: { ...SMALL, hosts: ['a'], balance: 'x' },
    b: { pools: {} },
    c: { ...SMALL, hosts: ['c'], minReady: -1 },
  }
  expect(configProblemsOf({ proxy: { listen: 'x' }, services }).map((line) => line.split(': ')[0])).toEqual([
    'proxy.listen',
    'services.a.balance',
    'services.c.minReady',
    'services.b.pools',
  ])
})

describe('two services that answer to the same host and path', () => {
  test('are a problem at both', () => {
    const services = {
      shop: { ...SMALL, hosts: ['Shop.example', 'a.example'], paths: ['/x/'] },
      cart: { ...SMALL, hosts: ['shop.example'], paths: ['/y', '/x'] },
    }
    expect(configProblemsOf({ services })).toEqual([
      'services.shop: answers to shop.example/x, as services.cart does; give each its own hosts or paths',
      'services.cart: answers to shop.example/x, as services.shop does; give each its own hosts or paths',
    ])
    expect(configProblemsOf({ services: { a: SMALL, b: SMALL } })).toHaveLength(2)
  })

  test('are no problem if host or path differ, or if a host is more exact', () => {
    const services = {
      any: SMALL,
      wild: { ...SMALL, hosts: ['*.example'] },
      exact: { ...SMALL, hosts: ['a.example'] },
      path: { ...SMALL, hosts: ['a.example'], paths: ['/api'] },
    }
    expect(configProblemsOf({ services })).toEqual([])
  })
})

test('a socket file has mode 0600 at the admin API, a mode by the umask at the proxy, or the configured `mode`', () => {
  const [asDefault, asWritten] = [
    configOf({ proxy: { listen: 'unix:/p' }, admin: { listen: 'unix:/a' } }),
    configOf({
      proxy: { listen: { address: 'unix:/p', mode: '0666' } },
      admin: { listen: { address: 'unix:/a', mode: '660' } },
    }),
  ]
  expect([asDefault.proxy.listen[0], asDefault.admin.listen]).toEqual([
    { kind: 'unix', path: '/p' },
    { kind: 'unix', path: '/a', mode: 0o600 },
  ])
  expect([asWritten.proxy.listen[0], asWritten.admin.listen]).toEqual([
    { kind: 'unix', path: '/p', mode: 0o666 },
    { kind: 'unix', path: '/a', mode: 0o660 },
  ])
  expect(configProblemsOf({ proxy: { listen: { address: 'unix:/p', mode: '0999' } } })[0]).toMatch(/octal, in quotes/)
  expect(configProblemsOf({ admin: { listen: { address: '127.0.0.1:1', mode: '0600' } } })).toEqual([
    'admin.listen.mode: is for unix sockets only; leave it out',
  ])
})
