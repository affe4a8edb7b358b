import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

let upstream: Upstream
let folder = ''
const running: Cutover[] = []

beforeAll(async () => {
  upstream = await startUpstream()
})
afterAll(() => upstream.close())
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-restart-'))
})
afterEach(async () => {
  for (const cutover of running.splice(0)) if (cutover.process.exitCode === null) await cutover.stop('SIGKILL')
  await rm(folder, { recursive: true })
})

function definition(changes: object = {}) {
  const pool = (name: string) => ({ servers: { [`${name}1`]: upstream.url, [`${name}2`]: upstream.url } })
  const pools = { blue: pool('blue'), green: pool('green') }
  return { pools, split: { blue: 100 }, health: { interval: '20ms' }, ...changes }
}

async function start(options: Partial<CutoverOptions> = {}): Promise<Cutover> {
  const cutover = await Cutover.start({ services: { shop: definition() }, dataPath: folder, ...options })
  running.push(cutover)
  return cutover
}

/** What an instance prints that does not come to run; it has to end with this code. */
async function refusedStart(code: number, options: Partial<CutoverOptions> = {}): Promise<string> {
  const error = await start(options).then(
    () => 'it started',
    (error: Error) => error.message,
  )
  const head = `cutover ended with code ${code} before it was ready:\n`
  expect(error.slice(0, head.length)).toBe(head)
  return error.slice(head.length)
}

/** Everything that people have decided. */
async function decided(cutover: Cutover) {
  const { body } = await cutover.api('GET', '/api/services')
  const { body: told } = await cutover.api('GET', '/api/services/shop/history')
  const servers = body.services.flatMap((service: { pools: { servers: object[] }[] }) =>
    service.pools.flatMap((pool) => pool.servers as { name: string; state: string; weight: number }[]),
  )
  return {
    revision: body.revision,
    splits: body.services.map(({ name, split }: { name: string; split: object }) => [name, split]),
    servers: servers.map(({ name, state, weight }: { name: string; state: string; weight: number }) => [
      name,
      state,
      weight,
    ]),
    history: told.history,
  }
}

async function decide(cutover: Cutover): Promise<void> {
  const { api } = { api: cutover.api.bind(cutover) }
  for (const [method, path, body] of [
    ['POST', '/api/services/shop/shift', { to: 'green', percent: 12.34, reason: 'canary' }],
    ['PATCH', '/api/servers/blue1', { weight: 7 }],
    ['POST', '/api/servers/blue2/disable', undefined],
    ['PATCH', '/api/servers/green2', { state: 'maint' }],
    ['PUT', '/api/services/extra', definition({ paths: ['/extra'] })],
    ['PUT', '/api/services/shop/pools/red', { servers: { red1: upstream.url } }],
  ] as const) {
    expect((await api(method, path, body)).status).toBe(200)
  }
}

describe('decisions survive', () => {
  test('SIGTERM and kill -9; a new start makes no revision', async () => {
    const first = await start()
    await decide(first)
    const before = await decided(first)
    expect(before).toMatchObject({
      splits: [
        ['shop', { blue: 87.66, green: 12.34, red: 0 }],
        ['extra', { blue: 100, green: 0 }],
      ],
      history: [
        { action: 'set pool' },
        { action: 'maint' },
        { action: 'drain' },
        { action: 'weight' },
        { action: 'shift', reason: 'canary', revision: 2 },
        { action: 'configure', by: 'configuration', forced: false },
      ],
    })
    const etag = (await first.api('GET', '/api/services/shop')).headers.get('etag')
    expect(await first.stop('SIGTERM')).toEqual({ code: 0, signal: null })

    const second = await start()
    expect(await decided(second)).toEqual(before)
    expect((await second.api('GET', '/api/services/shop')).headers.get('etag')).toBe(etag)
    const { body } = await second.api('POST', '/api/services/shop/rollback')
    expect(body).toMatchObject({ revision: before.revision + 1, service: { split: { blue: 100 } } })
    const after = await decided(second)
    expect(await second.stop('SIGKILL')).toEqual({ code: null, signal: 'SIGKILL' })
    expect(await decided(await start())).toEqual(after)
  })

  test('kill -9 during writes: every acknowledged one is there', async () => {
    const first = await start()
    let acknowledged = 0
    let isAlive = true
    const write = async () => {
      for (let percent = 1; isAlive; percent = (percent % 99) + 1) {
        const answer = await first.api('POST', '/api/services/shop/shift', { to: 'green', percent }).catch(() => null)
        if (answer === null) return
        acknowledged = Math.max(acknowledged, answer.body.revision)
      }
    }
    const writers = [write(), write(), write()]
    await until(() => acknowledged >= 30)
    await first.stop('SIGKILL')
    isAlive = false
    await Promise.all(writers)

    const { revision, history, splits } = await decided(await start())
    expect(revision).toBeGreaterThanOrEqual(acknowledged)
    expect(revision).toBeLessThanOrEqual(acknowledged + 3)
    expect(history[0]).toMatchObject({ revision, action: 'shift' })
    expect(splits).toEqual([['shop', history[0].to]])
  })

  test('a file that changed meanwhile, of which only the difference is applied, whatever that breaks', async () => {
    const first = await start()
    await decide(first)
    const before = await decided(first)
    await first.stop('SIGKILL')
    const second = await start({ services: { shop: definition({ minReady: 0, split: { green: 100 } }) } })
    const after = await decided(second)
    expect(after).toMatchObject({ revision: before.revision + 1, splits: before.splits, servers: before.servers })
    expect(after.history[0]).toMatchObject({ action: 'configure', forced: false, from: { split: { blue: 100 } } })
    await second.stop('SIGKILL')

    const { green } = definition().pools
    const third = await start({ services: { shop: definition({ pools: { green }, split: { green: 100 } }) } })
    expect((await decided(third)).splits[0]).toEqual(['shop', { green: 100, red: 0 }])
    expect((await decided(third)).history[0]).toMatchObject({ action: 'configure', forced: true, by: 'configuration' })
    expect(third.stderr).toContain('is applied all the same: Pool blue has 87.66 % of the traffic of shop')
  })
})

describe('a start is refused', () => {
  const locks = async () => (await readdir(folder)).filter((name) => name.startsWith('lock'))

  test('when another process has the data folder', async () => {
    const first = await start()
    const before = await locks()
    const said = await refusedStart(1)
    expect(said).toContain(`${folder} is in use by process ${first.process.pid}. Stop that process first`)
    expect((await first.api('POST', '/api/services/shop/switch')).status).toBe(200)
    expect(await locks()).toEqual(before)
  })

  test('when a port is taken, naming it; the folder is free again', async () => {
    const holder = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => holder.once('listening', resolve))
    const listen = `127.0.0.1:${(holder.address() as net.AddressInfo).port}`
    const refused = [
      refusedStart(1, { proxy: { listen } }),
      refusedStart(1, { admin: { listen }, dataPath: join(folder, 'b') }),
      refusedStart(1, { proxy: { listen: ['127.0.0.1:0', listen] }, dataPath: join(folder, 'c') }),
    ]
    const reason = `cannot listen on ${listen}: another process already listens there\n`
    expect(await Promise.all(refused)).toEqual([
      `proxy.listen: ${reason}`,
      `admin.listen: ${reason}`,
      `proxy.listen[1]: ${reason}`,
    ])
    await new Promise((resolve) => holder.close(resolve))
    expect(await locks()).toEqual([])
    await start({ proxy: { listen } })
  })

  test('S1: when a file of the state is damaged, naming it and what to do', async () => {
    const first = await start()
    await decide(first)
    await first.stop('SIGKILL')
    for (const name of ['changes.log', 'state.json']) {
      const file = join(folder, name)
      const good = await readFile(file)
      const bad = Buffer.from(good)
      bad[40] = (bad[40] ?? 0) ^ 1
      await writeFile(file, bad)
      const said = await refusedStart(1)
      expect(said).toContain(file)
      expect(said).toMatch(/Nothing was changed\. Restore the store's files from a backup, or start from .*: mv /)
      expect(await readFile(file)).toEqual(bad)
      await writeFile(file, good)
    }
    expect((await decided(await start())).revision).toBe(7)
  })

  test('when the file has hosts and paths of a stored service', async () => {
    const first = await start()
    expect((await first.api('PUT', '/api/services/extra', definition({ paths: ['/extra'] }))).status).toBe(200)
    await first.stop('SIGKILL')
    const said = await refusedStart(2, { services: { shop: definition({ paths: ['/', '/extra'] }) } })
    expect(said).toMatch(
      /^services\.shop: answers to any host, path \/extra, as services\.extra does; give each its own/,
    )
    expect(said).toContain('cannot be used; nothing was started')
  })
})
