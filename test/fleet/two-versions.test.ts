import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import { checkConfig } from '../../src/config/check-config.ts'
import { checkService } from '../../src/config/check-service.ts'
import { Instance } from '../../src/instance.ts'
import type { JsonObject, ServiceDocument } from '../../src/model/state.ts'
import { LocalProxy } from '../../src/process/local-proxy.ts'
import { RedisStore } from '../../src/store/redis/redis-store.ts'
import type { Answer, Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { ask, Fleet, instanceView, killControl } from './support.ts'

const started = Fleet.empty()
let fleet: Fleet
let prefix = ''
let tests = 0
beforeEach(async () => {
  fleet = await started
  prefix = `versions${++tests}`
  onTestFinished(async () => {
    await Promise.all(fleet.all.map((each) => each.stop('SIGKILL')))
  })
})
afterAll(async () => (await started).stop())

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-versions-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** What a newer version writes into the store of the fleet: `change` of the document of a service. */
class Newer {
  private readonly store: RedisStore

  private constructor(store: RedisStore) {
    this.store = store
  }

  static async join(): Promise<Newer> {
    const topology = { kind: 'single' as const, url: fleet.redis.url }
    const path = await folder()
    const store = new RedisStore({ settings: { topology, tls: null }, prefix, path, tell: () => undefined })
    await store.open()
    onTestFinished(() => store.close())
    return new Newer(store)
  }

  async write(name: string, change: (before: ServiceDocument) => Partial<ServiceDocument>): Promise<number> {
    for (;;) {
      const documents = this.store.documents()
      const revision = documents.revision + 1
      const nothing = { name, revision, source: {}, decisions: [], servers: {}, poolCuts: {} }
      const before = documents.services[name] ?? nothing
      const services = { [name]: { ...before, ...change(before), revision } }
      const committed = await this.store.commit({ revision, at: new Date().toISOString(), services, history: [] })
      if (committed !== 'stale') return revision
    }
  }
}

async function definitions(at: Cutover): Promise<{ status: string; detail: string }> {
  return (await at.api('GET', '/health')).body.parts.definitions
}

/** Repeats an action until no instance counts as gone meanwhile: on a busy machine one may miss its heartbeats. */
function whileAllLive(act: () => Promise<Answer>): Promise<Answer> {
  return until(async () => {
    const answer = await act()
    return answer.body.leftOut === undefined ? answer : null
  }, 60_000)
}

const slower = (source: JsonObject): JsonObject => ({ ...source, slowerStart: '10s' })

test.each([0, 1])(
  'a definition that a newer version wrote takes no service off an older one, nor off its next process (workers: %d)',
  async (workers) => {
    const dataPath = await folder()
    const options = { dataPath, proxy: { workers }, store: { redis: fleet.redis.url, prefix } }
    const a = await fleet.add('a', options)
    await fleet.settled()
    const newer = await Newer.join()
    const revision = await newer.write('shop', ({ source }) => ({ source: slower(source) }))
    await until(async () => (await instanceView(a, 'a')).appliedRevision === revision)
    expect(await ask(a)).toMatchObject({ status: 200, body: expect.stringMatching(/^blue/) })
    const { status, detail } = await definitions(a)
    expect(status).toBe('degraded')
    expect(detail).toContain('shop (slowerStart: unknown key')
    expect(detail).toContain('served as last readable')
    const { cannotFollow } = await instanceView(a, 'a')
    expect(cannotFollow).toEqual([{ service: 'shop', problem: expect.stringContaining('slowerStart') }])

    // What is decided since applies.
    await newer.write('shop', ({ decisions }) => ({ decisions: [...decisions, { revision, split: { green: 100 } }] }))
    await until(async () => (await ask(a)).body.startsWith('green'))
    const refused = await a.api('POST', '/api/services/shop/switch', { to: 'blue' })
    expect([refused.status, refused.body.title]).toEqual([409, 'Does not fit the state'])
    expect(refused.body.detail).toContain('cannot read the definition of shop')

    if (workers > 0) {
      await killControl(a)
      await until(async () => (await definitions(a)).status === 'degraded')
      for (let i = 0; i < 20; i++) expect((await ask(a)).status).toBe(200)
    }
    await a.stop()
    const again = await fleet.add('a', options)
    await until(async () => (await ask(again)).body.startsWith('green'))
    expect((await definitions(again)).detail).toContain('served as last readable')

    await newer.write('shop', ({ source: { slowerStart: _, ...source } }) => ({ source }))
    await until(async () => (await definitions(again)).status === 'ok')
    expect((await instanceView(again, 'a')).cannotFollow).toEqual([])
  },
  240_000,
)

test('a service of which nothing was ever readable is answered 503, not 404 and not by another one', async () => {
  const a = await fleet.add('a', { proxy: { workers: 0 }, store: { redis: fleet.redis.url, prefix } })
  await fleet.settled()
  const newer = await Newer.join()
  const source = { ...slower({}), paths: ['/new'], pools: { one: { servers: { one1: 'http://127.0.0.1:1' } } } }
  const revision = await newer.write('new', () => ({ source, decisions: [{ revision: 1, split: { one: 100 } }] }))
  await until(async () => (await instanceView(a, 'a')).appliedRevision === revision)
  expect((await ask(a, '/new')).status).toBe(503)
  expect((await ask(a, '/')).status).toBe(200)
  expect((await definitions(a)).detail).toContain('without servers here')
  expect((await a.api('GET', '/api/services/new')).status).toBe(200)
})

test('the writer of a definition is told which instances cannot follow, and servers they still use are not drained', async () => {
  const a = await fleet.add('a', { proxy: { workers: 0 }, store: { redis: fleet.redis.url, prefix } })
  await fleet.settled()
  const checked = checkConfig({
    proxy: { listen: '127.0.0.1:0' },
    admin: { listen: '127.0.0.1:0' },
    store: { redis: fleet.redis.url, prefix, path: await folder() },
    services: { shop: fleet.app.service() },
  })
  if (!checked.ok) throw new Error('a configuration that cannot be used')
  const { config } = checked
  const old = await Instance.start({
    config,
    load: async () => checked,
    file: 'old.yaml',
    log: pino({ enabled: false }),
    identity: { id: 'old', name: 'old', startedAt: new Date().toISOString() },
    proxies: new LocalProxy(config.proxy, pino({ enabled: false })),
    adminListen: { host: '127.0.0.1', port: 0 },
    patienceMs: 0,
    resumed: false,
    // A version that does not know `panic` yet.
    resolve: (name, source) =>
      Object.hasOwn(source, 'panic')
        ? { ok: false, problems: [{ path: 'panic', message: 'unknown key' }] }
        : checkService(name, source),
  })
  onTestFinished(() => old.stop())
  await until(async () => (await instanceView(a, 'old'))?.live)

  const followed = await a.api('PATCH', '/api/services/shop?wait=20s', { minReady: 0 })
  expect([followed.status, followed.body.cannotFollow]).toEqual([200, undefined])
  let percent = 50
  const patched = await whileAllLive(() => a.api('PATCH', '/api/services/shop?wait=20s', { panic: `${percent++}%` }))
  expect([patched.status, patched.body.cannotFollow]).toEqual([200, ['old']])
  expect((await instanceView(a, 'old')).cannotFollow).toEqual([{ service: 'shop', problem: 'panic: unknown key' }])

  // A decision is followed, a definition is not: the server that was removed has requests still.
  const drained = await whileAllLive(async () => {
    await a.api('POST', '/api/servers/blue1/enable?wait=20s')
    return a.api('POST', '/api/servers/blue1/drain?wait=20s')
  })
  expect([drained.status, drained.body.drained, drained.body.cannotFollow]).toEqual([200, ['blue1'], ['old']])
  const removed = await whileAllLive(async () => {
    const path = '/api/services/shop/pools/blue/servers/blue2'
    await a.api('PUT', path, fleet.app.servers.blue2?.url)
    return a.api('DELETE', `${path}?wait=2s&force`)
  })
  expect([removed.status, removed.body.cannotFollow]).toEqual([504, ['old']])
  expect(removed.body.detail).toContain('old cannot read the definition, and keeps the previous one')
  const forgotten = await a.api('PATCH', '/api/services/shop?wait=20s', { panic: null })
  expect([forgotten.status, forgotten.body.cannotFollow]).toEqual([200, undefined])
}, 240_000)
