import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TableService } from '../../src/model/table.ts'
import { Router } from '../../src/proxy/routing/router.ts'
import { ServiceRoute } from '../../src/proxy/routing/service-route.ts'
import { WHOLE_SHARE } from '../../src/proxy/share.ts'
import { Targets } from '../../src/proxy/upstream/targets.ts'
import { Counters } from '../../src/telemetry/counters.ts'

const NONE_HELD = { count: 0, max: 0, share: WHOLE_SHARE }

function service(name: string, hosts: readonly string[], paths: readonly string[]): TableService {
  return {
    name,
    decision: 1,
    hosts,
    paths,
    stripPrefix: false,
    balance: 'leastRequest',
    panic: 0,
    retry: { attempts: 2, on: ['connect', 'reset'], statuses: [], methods: ['GET'], budget: 0.2, bodyBytes: 0 },
    timeouts: { connectMs: 2_000, responseMs: 60_000, idleMs: 60_000, queueMs: 0 },
    connections: { perServer: 0, keepAliveMs: 4_000 },
    drain: { timeoutMs: 30_000, websockets: 'close' },
    pools: [],
  }
}

function router(...services: TableService[]): Router {
  const targets = new Targets({ onIdle: () => undefined }, WHOLE_SHARE)
  const counters = new Counters()
  return new Router(services.map((each) => new ServiceRoute(each, targets, counters, NONE_HELD, undefined)))
}

/** Name of the service and length of the prefix; null when nothing matches. */
function match(routes: Router, host: string, target: string): readonly [string, number] | null {
  const found = routes.match(host, target)
  return found === null ? null : [found.route.table.name, found.prefixLength]
}

describe('hosts', () => {
  const routes = router(
    service('any', [], ['/']),
    service('exact', ['shop.example.com'], ['/']),
    service('wide', ['*.example.com'], ['/']),
    service('narrow', ['*.shop.example.com'], ['/']),
    service('v6', ['[::1]'], ['/']),
    service('v4', ['127.0.0.1'], ['/']),
    service('plain', ['localhost'], ['/']),
  )

  test.each([
    ['shop.example.com', 'exact'],
    ['other.example.com', 'wide'],
    ['a.shop.example.com', 'narrow'],
    ['a.b.shop.example.com', 'narrow'],
    ['a.b.example.com', 'wide'],
    // A wildcard stands for at least one label.
    ['example.com', 'any'],
    ['myshop.example.com', 'wide'],
    ['notexample.com', 'any'],
    ['shop.example.com.evil.test', 'any'],
    ['SHOP.Example.COM', 'exact'],
    ['shop.example.com:8080', 'exact'],
    ['shop.example.com.', 'exact'],
    ['Shop.Example.Com.:443', 'exact'],
    ['a.shop.example.com.:1', 'narrow'],
    ['[::1]', 'v6'],
    ['[::1]:8080', 'v6'],
    ['[::2]:8080', 'any'],
    ['127.0.0.1:80', 'v4'],
    ['localhost:8080', 'plain'],
    ['', 'any'],
    [':80', 'any'],
    ['.', 'any'],
    ['.example.com', 'wide'],
    ['constructor', 'any'],
    ['__proto__', 'any'],
  ])('%s belongs to %s', (host, expected) => {
    expect(match(routes, host, '/x?y')).toEqual([expected, 0])
    // Once more, from what was remembered.
    expect(match(routes, host, '/x?y')).toEqual([expected, 0])
  })

  test('without a service for any host, others match nothing', () => {
    const only = router(service('one', ['one.test'], ['/']))
    for (const host of ['', 'two.test', 'one.test.two', 'sub.one.test']) expect(match(only, host, '/')).toBe(null)
  })

  test('a service may have several', () => {
    const both = router(service('both', ['a.test', '*.b.test'], ['/']))
    expect([match(both, 'a.test', '/')?.[0], match(both, 'x.b.test', '/')?.[0]]).toEqual(['both', 'both'])
  })
})

describe('paths', () => {
  const routes = router(
    service('root', [], ['/']),
    service('api', [], ['/api', '/old/api']),
    service('v2', [], ['/api/v2']),
    service('deep', [], ['/a/b/c/d']),
  )

  test.each([
    ['/', 'root', 0],
    ['/?/api', 'root', 0],
    ['/api', 'api', 4],
    ['/api/', 'api', 4],
    ['/api?x=/api/v2', 'api', 4],
    ['/api/?', 'api', 4],
    ['/api/x', 'api', 4],
    ['/api//', 'api', 4],
    ['/apix', 'root', 0],
    ['/api.', 'root', 0],
    ['/api;x', 'root', 0],
    ['/api%2Fv2', 'root', 0],
    ['/API', 'root', 0],
    ['/api/v2', 'v2', 7],
    ['/api/v2/', 'v2', 7],
    ['/api/v2?x', 'v2', 7],
    ['/api/v2/users/1', 'v2', 7],
    ['/api/v22', 'api', 4],
    ['/api/v2%20', 'api', 4],
    ['/old/api/x', 'api', 8],
    ['/old', 'root', 0],
    ['/a/b/c', 'root', 0],
    ['/a/b/c/d', 'deep', 8],
    ['/a/b/c/d/e/f/g', 'deep', 8],
    ['/a/b/c/dd', 'root', 0],
    ['//', 'root', 0],
    ['//api', 'root', 0],
    ['/x/api', 'root', 0],
  ])('%s belongs to %s, %i characters of it', (target, name, length) => {
    expect(match(routes, 'any.test', target)).toEqual([name, length])
  })

  test('without / among them, others match nothing', () => {
    const only = router(service('api', [], ['/api']))
    for (const target of ['/', '/ap', '/apix', '//api', '/x/api']) expect(match(only, 'x', target)).toBe(null)
  })

  test('the longest prefix wins, on boundaries only: as asking every prefix in turn would find it', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', '', '.', 'a%2F')
    const path = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => `/${parts.join('/')}`)
    const prefix = path.map((each) => each.replace(/\/+$/, '') || '/')
    const suffix = fc.constantFrom('', '?', '?a=/a/b', '/')
    fc.assert(
      fc.property(fc.uniqueArray(prefix, { minLength: 1, maxLength: 6 }), path, suffix, (prefixes, target, end) => {
        const found = match(router(...prefixes.map((each) => service(each, [], [each]))), 'x', target + end)
        const [asked = ''] = `${target}${end}`.split('?')
        const fitting = prefixes.filter((each) => each === '/' || asked === each || asked.startsWith(`${each}/`))
        const [longest] = fitting.sort((a, b) => b.length - a.length)
        expect(found?.[0]).toBe(longest)
      }),
    )
  })
})

describe('host and path together', () => {
  const routes = router(
    service('exact-api', ['shop.test'], ['/api']),
    service('wild-admin', ['*.test'], ['/admin']),
    service('any-root', [], ['/']),
    service('any-api', [], ['/api/deeper']),
  )

  test.each([
    ['shop.test', '/api/x', 'exact-api'],
    // An exact host comes before a longer path of a wider one.
    ['shop.test', '/api/deeper', 'exact-api'],
    ['shop.test', '/admin', 'wild-admin'],
    ['shop.test', '/', 'any-root'],
    ['other.test', '/api', 'any-root'],
    ['other.test', '/api/deeper', 'any-api'],
    ['elsewhere', '/admin', 'any-root'],
  ])('%s%s falls through to %s', (host, target, expected) => {
    expect(match(routes, host, target)?.[0]).toBe(expected)
  })
})

test('the cost of a match does not depend on how many services there are', () => {
  const many = Array.from({ length: 10_000 }, (_, i) => service(`s${i}`, [`host${i}.test`], ['/', `/path${i}`]))
  const wild = Array.from({ length: 10_000 }, (_, i) => service(`w${i}`, [`*.wild${i}.test`], [`/path${i}`]))
  const few = router(...many.slice(0, 10), ...wild.slice(0, 10))
  const all = router(...many, ...wild)
  expect(match(all, 'host9999.test', '/path9999/x')).toEqual(['s9999', 9])
  expect(match(all, 'a.wild9999.test', '/path9999/x')).toEqual(['w9999', 9])
  const cost = (routes: Router): number => {
    const since = performance.now()
    for (let i = 0; i < 20_000; i++) {
      const n = i % 10
      routes.match(`host${n}.test`, `/path${n}/a/b/c`)
      routes.match(`a.wild${n}.test`, `/path${n}/a/b/c`)
    }
    return performance.now() - since
  }
  // The least disturbed of several rounds. A linear search would cost a thousand times as much.
  const least = (routes: Router): number => Math.min(...Array.from({ length: 7 }, () => cost(routes)))
  least(few)
  expect(least(all)).toBeLessThan(10 * least(few))
})

test('hosts that nobody has are not remembered without bound', () => {
  const routes = router(service('any', [], ['/']))
  for (let i = 0; i < 60_000; i++) routes.match(`attack${i}.test`, '/')
  const { cache } = routes as unknown as { cache: Map<string, unknown> }
  expect(cache.size).toBeLessThanOrEqual(10_000)
})
