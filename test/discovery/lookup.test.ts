import dns from 'node:dns'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { lookUp } from '../../src/discovery/lookup.ts'
import type { FoundServer } from '../../src/model/discovery.ts'
import { DnsClient } from '../../src/net/dns-client.ts'
import { DnsServer } from '../support/dns-server.ts'

let server: DnsServer
let client: DnsClient

beforeEach(async () => {
  server = await DnsServer.start()
  client = new DnsClient({ servers: [server.address], timeoutMs: 200 })
})

afterEach(() => server.close())

const at = (address: string): FoundServer => ({ address, target: null, weight: 1, backup: false })
const addresses = (before: readonly FoundServer[] = []) =>
  lookUp(client, { records: 'addresses', name: 'web.test' }, before)
const services = (before: readonly FoundServer[] = []) =>
  lookUp(client, { records: 'services', name: '_http._tcp.web.test' }, before)

describe('addresses', () => {
  test('of both families, in a stable order, with their TTL', async () => {
    server.records.set('web.test', ['10.0.0.2', '10.0.0.1', 'fd00::2', '10.0.0.2'])
    server.ttlSeconds = 7
    expect(await addresses()).toEqual({
      outcome: 'found',
      servers: [at('10.0.0.1'), at('10.0.0.2'), at('fd00::2')],
      ttlMs: 7_000,
    })
  })

  test('50 of them fit into an answer', async () => {
    const all = Array.from({ length: 50 }, (_, i) => `10.0.1.${i + 1}`)
    server.records.set('web.test', all)
    expect((await addresses()).servers.map(({ address }) => address).sort()).toEqual(all.toSorted())
  })

  test.each([
    ['a name that does not exist', (): unknown => undefined, 'nxdomain'],
    ['a name without addresses', (): unknown => server.records.set('web.test', []), 'nodata'],
    ['a server that fails', (): unknown => server.failures.set('web.test', 'servfail'), 'servfail'],
    ['a server that refuses', (): unknown => server.failures.set('web.test', 'refused'), 'refused'],
    ['a server that does not answer', (): unknown => server.failures.set('web.test', 'silent'), 'timeout'],
  ] as const)('%s', async (_, prepare, outcome) => {
    prepare()
    expect(await addresses([at('10.0.0.1')])).toMatchObject({ outcome, servers: [] })
  })

  test('a client without servers of its own falls back to the system: its files, and its search domains', async () => {
    const { lookup } = dns
    const system = new DnsClient({ servers: [], timeoutMs: 200 })
    try {
      Object.assign(dns, {
        lookup: (_name: string, _options: object, callback: (error: null, found: object[]) => void) =>
          callback(null, [{ address: '10.0.0.9', family: 4 }]),
      })
      const found = await lookUp(system, { records: 'addresses', name: 'no-such-name.invalid' }, [])
      expect(found).toMatchObject({ outcome: 'found', servers: [at('10.0.0.9')], ttlMs: null })
    } finally {
      Object.assign(dns, { lookup })
    }
  })
})

describe('SRV records', () => {
  const one = (address: string, host: string, port: number, weight = 1, backup = false): FoundServer => ({
    address,
    target: { host, port },
    weight,
    backup,
  })

  test('each address of each target is a server, with port and weight; a later priority makes backups', async () => {
    server.services.set('_http._tcp.web.test', [
      { target: 'a.test', port: 9000, priority: 5, weight: 10 },
      { target: 'b.test', port: 9001, priority: 5, weight: 0 },
      { target: 'c.test', port: 9000, priority: 9, weight: 3 },
    ])
    server.records.set('a.test', ['10.0.0.1', '10.0.0.2']).set('b.test', ['10.0.0.1']).set('c.test', ['10.0.0.3'])
    server.ttlSeconds = 4
    expect(await services()).toEqual({
      outcome: 'found',
      servers: [
        one('10.0.0.1', 'a.test', 9000, 10),
        one('10.0.0.1', 'b.test', 9001, 1),
        one('10.0.0.2', 'a.test', 9000, 10),
        one('10.0.0.3', 'c.test', 9000, 3, true),
      ],
      ttlMs: 4_000,
    })
  })

  test('a target that does not resolve keeps its last addresses; one that never did is left out', async () => {
    server.services.set('_http._tcp.web.test', [
      { target: 'a.test', port: 9000 },
      { target: 'b.test', port: 9000 },
      { target: 'never.test', port: 9000 },
    ])
    server.records.set('b.test', ['10.0.0.2'])
    const { outcome, servers } = await services([one('10.0.0.1', 'a.test', 9000)])
    expect([outcome, servers]).toEqual(['found', [one('10.0.0.1', 'a.test', 9000), one('10.0.0.2', 'b.test', 9000)]])
  })

  test('the target "." says that there is none; a name without records has none', async () => {
    server.services.set('_http._tcp.web.test', [{ target: '.', port: 0 }])
    expect(await services()).toMatchObject({ outcome: 'nodata', servers: [] })
    server.services.delete('_http._tcp.web.test')
    expect(await services()).toMatchObject({ outcome: 'nxdomain', servers: [] })
    server.failures.set('_http._tcp.web.test', 'servfail')
    expect(await services()).toMatchObject({ outcome: 'servfail', servers: [] })
  })
})

test('an answer for IPv4 does not wait for a question about IPv6 that nobody answers', async () => {
  server.records.set('web.test', ['10.0.0.1'])
  server.silentTypes.add(28)
  const patient = new DnsClient({ servers: [server.address], timeoutMs: 10_000 })
  const startedAt = performance.now()
  const before = [at('10.0.0.1'), at('fd00::1')]
  const { outcome, servers } = await lookUp(patient, { records: 'addresses', name: 'web.test' }, before)
  expect([outcome, servers]).toEqual(['found', [at('10.0.0.1'), at('fd00::1')]])
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})
