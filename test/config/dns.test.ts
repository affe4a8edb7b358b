import { describe, expect, test } from 'vitest'
import { parseServerAddress } from '../../src/config/addresses.ts'
import { configOf, configProblemsOf, problemsOf, specOf } from './support.ts'

describe('addresses of servers', () => {
  test.each([
    ['srv://_http._tcp.web.internal', 'srv://_http._tcp.web.internal'],
    ['SRV://Web.Internal/', 'srv://web.internal'],
    ['srv+http://web.internal', 'srv://web.internal'],
    ['srv+https://web.internal', 'srv+https://web.internal'],
    ['unix:/run/app.sock', 'unix:/run/app.sock'],
    ['http://App.Internal:80', 'http://app.internal'],
    ['srv://web.internal:80', undefined],
    ['srv://10.0.0.1', undefined],
    ['srv://web.internal/x', undefined],
    ['srv:web.internal', undefined],
    ['srv+ftp://web.internal', undefined],
    ['unix:run/app.sock', undefined],
    ['unix:', undefined],
  ])('%s', (given, expected) => {
    expect(parseServerAddress(given)).toBe(expected)
  })
})

test('what DNS is asked for each server', () => {
  const servers = {
    name: 'http://web.internal:9000',
    address: 'http://10.0.0.1:9000',
    six: 'http://[::1]:9000',
    socket: 'unix:/run/app.sock',
    records: 'srv://_http._tcp.web.internal',
  }
  const discoverIn = (dns: object) => {
    const found = specOf({ pools: { main: { servers } }, dns }).pools.main?.servers ?? {}
    return Object.fromEntries(Object.entries(found).map(([name, { discover }]) => [name, discover ?? null]))
  }
  const none = { name: null, address: null, six: null, socket: null }
  const records = { records: 'services', name: '_http._tcp.web.internal', refreshMs: 30_000 }
  expect(discoverIn({})).toEqual({ ...none, records })
  expect(discoverIn({ all: true, refresh: '5s' })).toEqual({
    ...none,
    name: { records: 'addresses', name: 'web.internal', refreshMs: 5_000 },
    records: { ...records, refreshMs: 5_000 },
  })
})

test('DNS servers are addresses, with a port or without', () => {
  const { dns } = configOf({ dns: { servers: ['127.0.0.1:8600', '10.0.0.2', '[::1]:53', '[fd00::1]'], timeout: '1s' } })
  expect(dns).toEqual({ servers: ['127.0.0.1:8600', '10.0.0.2:53', '[::1]:53', '[fd00::1]:53'], timeoutMs: 1_000 })
})

test.each([
  [{ dns: { servers: ['consul:8600'] } }, 'dns.servers[0]: expected an address, with its port or without'],
  [{ dns: { servers: ['127.0.0.1:0'] } }, 'dns.servers[0]: expected an address'],
  [{ dns: { timeout: '10ms' } }, 'dns.timeout: expected a duration'],
  [{ dns: { server: [] } }, 'dns.server: unknown key "server"; did you mean "servers"?'],
])('%j is refused', (file, problem) => {
  expect(configProblemsOf(file).join('\n')).toContain(problem)
})

test.each([
  [{ dns: { refresh: '500ms' } }, 'dns.refresh: expected a duration'],
  [{ dns: { all: 'yes' } }, 'dns.all: expected true or false'],
  [
    { pools: { blue: { servers: { a: 'srv://web:80' } } } },
    'pools.blue.servers.a: has a port; SRV records have the ports of the servers, so leave it out',
  ],
  [
    { pools: { blue: { servers: { a: { url: 'unix:/a', proxyProtocol: 'v3' } } } } },
    'pools.blue.servers.a.proxyProtocol: expected v1 or v2',
  ],
  [
    { pools: { blue: { servers: { a: { url: 'unix:/a', tls: {} } } } } },
    'pools.blue.servers.a.tls: is for https:// and h2:// servers',
  ],
])('%j is refused', (changes, problem) => {
  expect(problemsOf(changes).join('\n')).toContain(problem)
})
