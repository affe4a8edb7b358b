import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSecureContext, type TlsOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { AUTHORITY, type KeyPair, LOCALHOST, UP_TEST } from '../support/certificates.ts'
import type { Answer, Cutover } from '../support/cutover.ts'
import { atEnd } from '../support/endings.ts'
import { Load } from '../support/load.ts'
import { until } from '../support/until.ts'
import { freePort, startUpstream } from '../support/upstream.ts'
import { ask, expectNoneFailed, HEALTH, health, start, upstream } from './support.ts'

/** A service; a failed request shows, since nothing is tried twice. */
const service = (pools: object, rest: object = {}) => ({ pools, health: HEALTH, retry: { attempts: 1 }, ...rest })
const one = (name: string, url: string) => ({ servers: { [name]: url } })

/** A change of definition, by which the requests of server `old` go to server `next`. */
interface Kind {
  /** The services before, in the configuration file. */
  readonly before: (old: string) => object
  /** Makes the change with `?wait=`. */
  readonly change: (cutover: Cutover, next: string, old: string) => Promise<Answer>
  /** The service whose new definition waits. */
  readonly waiting: string
  readonly path?: string
}

const WAIT = 'force&wait=20s'
const shop = (old: string) => ({ shop: service({ blue: one('blue1', old) }) })
const put =
  (path: string, body: (next: string, old: string) => object) => (cutover: Cutover, next: string, old: string) =>
    cutover.api('PUT', `/api/services/${path}?${WAIT}`, body(next, old))
const reload =
  (services: (next: string, old: string) => object) => async (cutover: Cutover, next: string, old: string) => {
    await cutover.configure({ services: services(next, old) })
    return cutover.api('POST', `/api/config/reload?${WAIT}`)
  }

const KINDS: Readonly<Record<string, Kind>> = {
  'the servers of a pool are replaced by PUT': {
    before: shop,
    change: put('shop/pools/blue', (next) => one('blue2', next)),
    waiting: 'shop',
  },
  'a server gets another address by PUT': {
    before: shop,
    change: put('shop/pools/blue/servers/blue1', (next) => ({ url: next })),
    waiting: 'shop',
  },
  'the servers of a pool are replaced by PATCH': {
    before: shop,
    change: (cutover, next) =>
      cutover.api('PATCH', `/api/services/shop?${WAIT}`, {
        pools: { blue: { servers: { blue1: null, blue2: next } } },
      }),
    waiting: 'shop',
  },
  'the servers of a pool are replaced in the file': {
    before: shop,
    change: reload((next) => ({ shop: service({ blue: one('blue1', next) }) })),
    waiting: 'shop',
  },
  'the pools and the split are replaced': {
    before: shop,
    change: put('shop', (next) => service({ green: one('green1', next) }, { split: { green: 100 } })),
    waiting: 'shop',
  },
  'the pool with the traffic is removed': {
    before: (old) => ({
      shop: service({ blue: one('blue1', old), green: one('green1', 'http://127.0.0.1:9') }, { split: { blue: 100 } }),
    }),
    change: put('shop', (next) => service({ green: one('green1', next) })),
    waiting: 'shop',
  },
  'pools, checks and servers change at the same time': {
    before: shop,
    change: put('shop', (next) =>
      service({ v2: one('blue1', next) }, { health: { ...HEALTH, path: '/other' }, timeouts: { connect: '1s' } }),
    ),
    waiting: 'shop',
  },
  'the service has another name, and other servers': {
    before: shop,
    change: reload((next) => ({ store: service({ blue: one('blue1', next) }) })),
    waiting: 'store',
  },
  'a new service takes a path of a catch-all service': {
    before: shop,
    change: put('api', (next) => service({ main: one('api1', next) }, { paths: ['/api'] })),
    waiting: 'api',
    path: '/api/orders',
  },
  'a new service takes a path with its own host': {
    before: shop,
    change: put('api', (next) => service({ main: one('api1', next) }, { hosts: ['127.0.0.1'], paths: ['/api'] })),
    waiting: 'api',
    path: '/api/orders',
  },
  'a service for a host takes the paths of one for any host': {
    before: (old) => ({ shop: service({ blue: one('blue1', old) }, { paths: ['/api'] }) }),
    change: put('local', (next) => service({ main: one('local1', next) }, { hosts: ['127.0.0.1'] })),
    waiting: 'local',
    path: '/api/orders',
  },
  'another service with requests of its own takes a path': {
    before: (old) => ({
      shop: service({ blue: one('blue1', old) }, { paths: ['/', '/api'] }),
      api: service({ main: one('api1', 'http://127.0.0.1:9') }, { paths: ['/v2'] }),
    }),
    change: reload((next, old) => ({
      shop: service({ blue: one('blue1', old) }, { paths: ['/'] }),
      api: service({ main: one('api1', next) }, { paths: ['/v2', '/api'] }),
    })),
    waiting: 'api',
    path: '/api/orders',
  },
  'the path of a service goes back to a catch-all service that is not up yet': {
    before: (old) => ({
      shop: service({ blue: one('blue1', 'http://127.0.0.1:9') }),
      api: service({ main: one('api1', old) }, { paths: ['/api'] }),
    }),
    change: reload((next) => ({ shop: service({ blue: one('blue1', next) }) })),
    waiting: 'shop',
    path: '/api/orders',
  },
}

describe('no request fails under load while the next server is not up', () => {
  test.each(Object.entries(KINDS))('%s', async (_kind, { before, change, waiting, path = '/' }) => {
    const old = await upstream('old')
    const port = await freePort()
    const next = `http://127.0.0.1:${port}`
    const cutover = await start({ services: before(old.url) })
    await until(async () => (await ask(cutover, path)).status === 200)
    const load = new Load({ url: `${cutover.proxy}${path}`, clients: 8, names: ['old', 'next'] })
    await load.more(50)
    const changed = change(cutover, next, old.url)
    const { handover } = await until(async () => {
      const { body } = await cutover.api('GET', `/api/services/${waiting}`)
      return body.handover === undefined ? null : body
    })
    expect(handover.waitsFor).toMatchObject([{ service: waiting }])
    await load.more(300)
    expect(load.figures().answers).toEqual({ old: load.completed })
    const server = await startUpstream(undefined, { name: 'next', port })
    atEnd(() => server.close())
    const { status, body } = await changed
    expect([status, body.changed, body.detail]).toEqual([200, true, undefined])
    expect((await ask(cutover, path)).body).toBe('next')
    await load.more(100)
    expectNoneFailed(await load.stop())
  })

  test('the TLS settings of its server change', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-handover-'))
    atEnd(() => rm(folder, { recursive: true }))
    const ca = join(folder, 'ca.pem')
    await writeFile(ca, AUTHORITY)
    const certificates = new Map([['localhost', LOCALHOST]])
    const { port } = await secureUpstream('blue1', certificates)
    const blue1 = (serverName: string) => ({ url: `https://127.0.0.1:${port}`, tls: { ca, serverName } })
    const cutover = await start({
      services: {
        shop: service({ blue: { servers: { blue1: blue1('localhost') } } }, { connections: { keepAlive: '50ms' } }),
      },
    })
    await health(cutover, 'blue1', 'up')
    const load = new Load({ url: `${cutover.proxy}/`, clients: 8, names: ['blue1'] })
    await load.more(50)
    const changed = cutover.api('PUT', `/api/services/shop/pools/blue/servers/blue1?${WAIT}`, blue1('up.test'))
    await until(async () => (await cutover.api('GET', '/api/services/shop')).body.handover)
    await load.more(300)
    certificates.set('up.test', UP_TEST)
    const { status, body } = await changed
    expect([status, body.detail]).toEqual([200, undefined])
    await load.more(100)
    expectNoneFailed(await load.stop())
  })
})

/** An HTTPS server that answers with its name, and has the certificates of these server names at the time. */
async function secureUpstream(name: string, certificates: ReadonlyMap<string, KeyPair>): Promise<AddressInfo> {
  const SNICallback: NonNullable<TlsOptions['SNICallback']> = (serverName, done) => {
    const pair = certificates.get(serverName)
    if (pair === undefined) done(new Error(`no certificate for ${serverName}`))
    else done(null, createSecureContext(pair))
  }
  const server = createServer({ SNICallback, keepAliveTimeout: 60_000 }, (request, response) => {
    request.resume().once('end', () => response.end(name))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  atEnd(() => {
    server.closeAllConnections()
    server.close()
  })
  return server.address() as AddressInfo
}
