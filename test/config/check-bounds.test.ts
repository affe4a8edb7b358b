import { describe, expect, test } from 'vitest'
import { checkNewService, checkService } from '../../src/config/check-service.ts'
import { formatProblem } from '../../src/config/problems.ts'
import { applyConfiguration } from '../../src/control/apply-configuration.ts'
import { defineService } from '../../src/control/definitions.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { ALL_UP, PLAIN, resolved, World } from '../model/support.ts'
import { configOf, configProblemsOf, SMALL } from './support.ts'

function written(changes: JsonObject): readonly string[] {
  const checked = checkNewService('shop', { ...SMALL, ...changes })
  return checked.ok ? [] : checked.problems.map(formatProblem)
}

const hosts = (count: number, of = 'h') => Array.from({ length: count }, (_, i) => `${of}${i}.test`)
const paths = (count: number) => Array.from({ length: count }, (_, i) => `/p${i}`)

describe('hosts × paths', () => {
  test('of one service are limited, in a file and through the API', () => {
    const words =
      'hosts: 101 hosts × 100 paths are 10100 routes, more than the 10000 that a service may have; use wildcards, shorter paths or several services'
    expect(written({ hosts: hosts(101), paths: paths(100) })).toEqual([words])
    expect(configProblemsOf({ services: { shop: { ...SMALL, hosts: hosts(101), paths: paths(100) } } })).toEqual([
      `services.shop.${words}`,
    ])
    expect(written({ hosts: hosts(100), paths: paths(100) })).toEqual([])
  })

  test('in large numbers are refused quickly', () => {
    const since = performance.now()
    const [problem] = configProblemsOf({ services: { shop: { ...SMALL, hosts: hosts(30_000), paths: paths(30_000) } } })
    expect(problem).toContain('30000 hosts × 30000 paths are 900000000 routes')
    // It took 20 s; what it takes now is reading 60,000 names.
    expect(performance.now() - since).toBeLessThan(10_000)
  })

  test('of all services together are limited', () => {
    const services = Object.fromEntries(
      Array.from({ length: 11 }, (_, i) => [`s${i}`, { ...SMALL, hosts: hosts(100, `s${i}-`), paths: paths(100) }]),
    )
    const words =
      'hosts × paths of all services are 110000 routes, more than the maximum of 100000; use wildcards or shorter paths'
    expect(configProblemsOf({ services })).toEqual([`services: ${words}`])
    const { s10, ...rest } = services
    const ten = configOf({ services: rest })
    const world = new World(
      Object.fromEntries(Object.entries(rest).map(([name, source]) => [name, resolved(source, name)])),
    )
    const made = defineService('s10', s10 as JsonObject)(world.state, PLAIN, ALL_UP)
    expect(made).toEqual({ refusal: { kind: 'invalid', problems: [{ path: 'hosts', message: words }] } })
    expect(applyConfiguration(ten, 'reload', null)(world.state, PLAIN, ALL_UP)).toHaveProperty('command')
  })
})

/** Most took from 8 seconds to minutes before they were bounded, and the control process did nothing else meanwhile. */
describe('a definition of the max size of a body', () => {
  const servers = (tls: JsonObject, scheme = 'https') => {
    const all = Array.from({ length: 10_000 }, (_, i) => [`s${i}`, { url: `${scheme}://h:1`, tls }])
    return { pools: { p: { servers: Object.fromEntries(all) } } }
  }

  test.each<[string, JsonObject]>([
    ['servers with an unknown key', servers({ x: 1 })],
    ['servers with half a key pair', servers({ cert: 'x' })],
    ['servers with files that are missing', servers({ ca: '/nowhere' })],
    ['servers without TLS that have settings for it', servers({}, 'http')],
    ['a path of slashes', { paths: [`${'/'.repeat(200_000)}a`] }],
  ])('is read at once: %s', (_what, changes) => {
    // CPU time, since the machine may be busy.
    const before = process.cpuUsage()
    written(changes)
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1_000).toBeLessThan(3_000)
  })
})

describe('the header fields of a probe', () => {
  test.each([
    ...['content-length', 'Transfer-Encoding', 'connection', 'upgrade', 'te', 'trailer', 'expect', 'Keep-Alive'],
    ...['proxy-connection', 'proxy-authorization', 'http2-settings', 'Content_Length'],
  ])('cannot be %s', (name) => {
    expect(written({ health: { headers: { [name]: '1' } } })).toEqual([
      `health.headers.${name}: cannot be set: Cutover frames the probe and keeps its connection itself`.replace(
        `headers.${name}:`,
        /^[\w$-]+$/.test(name) ? `headers.${name}:` : `headers["${name}"]:`,
      ),
    ])
  })

  test('may not include Host, which has a key of its own, or a field twice', () => {
    expect(written({ health: { headers: { Host: 'a.test' } } })).toEqual(['health.headers.Host: is set by health.host'])
    expect(written({ health: { headers: { 'X-Probe': '1', 'x-probe': '2' } } })).toEqual([
      'health.headers.x-probe: is the same field as "X-Probe"',
    ])
  })

  test.each([
    [{ 'x probe': '1' }, 'expected the name of a header field'],
    [{ 'x:probe': '1' }, 'expected the name of a header field'],
    [{ '': '1' }, 'expected the name of a header field'],
    [{ 'x-probe': 'a\r\nb: c' }, 'health.headers.x-probe'],
    [{ 'x-probe': 'a\u0000' }, 'health.headers.x-probe'],
    [{ 'x-probe': '\u20ac' }, 'health.headers.x-probe'],
  ])('are legal names and values: %j', (headers, words) => {
    expect(written({ health: { headers } })).toEqual([expect.stringContaining(words)])
  })

  test('may include any other field', () => {
    expect(written({ health: { headers: { authorization: 'Bearer x', cookie: 'a=b', 'user-agent': 'me' } } })).toEqual(
      [],
    )
  })

  test.each(['a/b', 'a b.test', 'a.test:99999', 'a,b', '[::1', 'user@a.test'])(
    '%s is refused as the host of a probe',
    (host) => {
      expect(written({ health: { host } })).toEqual([expect.stringMatching(/^health\.host: /)])
    },
  )

  test.each(['a.test', 'A.test:8080', '127.0.0.1', '[::1]:80', ''])('%j is accepted as the host of a probe', (host) => {
    expect(written({ health: { host } })).toEqual([])
  })
})

test('a stored definition that exceeds the limits can still be read', () => {
  const source = { ...SMALL, hosts: hosts(101), paths: paths(100), health: { headers: { te: 'trailers' } } }
  expect(checkService('shop', source).ok).toBe(true)
})
