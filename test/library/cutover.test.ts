import { mkdtemp, readdir, readFile, readlink, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createClient } from '../../src/client/create-client.ts'
import { ConfigurationError, type Cutover, type CutoverConfig, createCutover } from '../../src/index.ts'
import { Held } from '../admin/support.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'

const TOKEN = 'a-token-for-the-tests-0123456789'

let folder: string
let held: Held
let blue: Upstream
let green: Upstream
let running: Cutover[]
let lines: string[]
const log = pino(
  new Writable({
    write(chunk, _encoding, done) {
      lines.push(String(chunk))
      done()
    },
  }),
)

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-library-'))
  held = new Held()
  blue = await startUpstream(held.handler, { name: 'blue' })
  green = await startUpstream(held.handler, { name: 'green' })
  running = []
  lines = []
})
afterEach(async () => {
  held.release()
  await Promise.all(running.map((each) => each.close()))
  await Promise.all([blue.close(), green.close()])
  await rm(folder, { recursive: true })
})

const configOf = (changes: Partial<CutoverConfig> = {}): CutoverConfig => ({
  proxy: { listen: '127.0.0.1:0', accessLog: 'off' },
  admin: { listen: '127.0.0.1:0' },
  store: { path: folder },
  services: {
    shop: {
      pools: { blue: { servers: { blue1: blue.url } }, green: { servers: { green1: green.url } } },
      split: { blue: 100 },
      health: { interval: '20ms' },
    },
  },
  ...changes,
})

async function create(config: string | CutoverConfig = configOf()): Promise<Cutover> {
  const cutover = await createCutover({ config, log })
  running.push(cutover)
  return cutover
}

const refusal = async (config: unknown): Promise<ConfigurationError> => {
  const error = await create(config as CutoverConfig).catch((error: unknown) => error)
  expect(error).toBeInstanceOf(ConfigurationError)
  return error as ConfigurationError
}

test('opens the file of the access log again, and closes it at the end', async () => {
  const file = join(folder, 'access.log')
  const c = await create(configOf({ proxy: { listen: '127.0.0.1:0', accessLog: { file, format: 'combined' } } }))
  await c.ready
  await (await fetch(`${c.proxy}/one`)).text()
  await until(async () => (await readFile(file, 'utf8')).includes('/one'))
  await rename(file, `${file}.1`)
  c.reopenLog()
  await (await fetch(`${c.proxy}/two`)).text()
  await c.close()
  expect(await readFile(`${file}.1`, 'utf8')).toMatch(
    /^127\.0\.0\.1 - - \[.*\] "GET \/one HTTP\/1\.1" 200 4 "-" "node"\n$/,
  )
  expect(await readFile(file, 'utf8')).toMatch(/^\S+ - - \[.*\] "GET \/two HTTP\/1\.1" 200 4 "-" "node"\n$/)
  const open = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  expect(open).not.toContain(file)
})

test('serves, switches and remembers, from an object and from a file', async () => {
  const file = join(folder, 'cutover.json')
  await writeFile(file, JSON.stringify(configOf()))
  for (const config of [configOf(), file]) {
    const c = await create(config)
    await c.ready
    const before = await (await fetch(c.proxy)).text()
    const { drained } = await c.services.switch('shop', { wait: '20s', reason: 'release' })
    expect([drained, c.proxyAddresses]).toEqual([[before], [c.proxy]])
    expect(await (await fetch(c.proxy)).text()).not.toBe(before)
    expect((await c.services.history('shop')).history[0]).toMatchObject({ by: 'library', reason: 'release' })
    expect((await createClient({ url: c.admin }).services.get('shop')).split).toEqual(
      (await c.services.get('shop')).split,
    )
    await c.close()
  }
})

test('needs no token where tokens are set, and gives nobody else a way around them', async () => {
  const tokens = [{ name: 'ci', role: 'read' as const, token: TOKEN }]
  const c = await create(configOf({ admin: { listen: '127.0.0.1:0', tokens, readyAllow: [] } }))
  await c.ready
  expect((await c.services.shift('shop', { to: 'green', percent: 5 })).changed).toBe(true)
  expect((await c.config.get()).admin).toMatchObject({ tokens: [{ name: 'ci' }] })
  const preview = await c.preview('shop', 'green', '/page', { headers: { authorization: 'Bearer of-the-app' } })
  expect(await preview.text()).toBe('green')
  expect(green.requests[0]?.headers).not.toHaveProperty('x-forwarded-for')
  const outside = createClient({ url: c.admin, token: TOKEN })
  expect((await outside.services.list()).services).toHaveLength(1)
  await expect(outside.services.switch('shop')).rejects.toMatchObject({ status: 403 })
  const headers = { 'x-forwarded-for': 'in-process', host: 'localhost' }
  expect((await fetch(`${c.admin}/api/services`, { headers })).status).toBe(401)
})

test('reaches itself when the admin API listens at a socket file', async () => {
  const c = await create(configOf({ admin: { listen: `unix:${join(folder, 'admin.sock')}` } }))
  expect((await c.services.list()).services.map(({ name }) => name)).toEqual(['shop'])
  expect((await c.health()).status).toMatch(/ok|degraded|failing/)
})

test('close lets requests in flight finish, accepts no others, and ends once', async () => {
  const c = await create()
  await c.ready
  const request = fetch(`${c.proxy}/hold`)
  await blue.arrived(1)
  const closing = [c.close(), c.close()]
  await expect(c.services.list()).resolves.toMatchObject({ services: [{ name: 'shop' }] })
  let refused = false
  while (!refused)
    refused = await fetch(c.proxy).then(
      () => false,
      () => true,
    )
  held.release()
  expect(await (await request).text()).toBe('blue')
  await Promise.all(closing)
  await expect(c.services.list()).rejects.toMatchObject({ name: 'NoAnswerError', mayBeDone: false })
})

test('a command that waits in this process sees its drain', async () => {
  const c = await create()
  await c.ready
  const request = fetch(`${c.proxy}/hold`)
  await blue.arrived(1)
  const late = c.services.switch('shop', { to: 'green', wait: '500ms' })
  await expect(late).rejects.toMatchObject({ status: 504, body: { missing: { underWay: [{ name: 'blue' }] } } })
  const controller = new AbortController()
  const waiting = c.services.switch('shop', { to: 'green', wait: '20s', signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(waiting).rejects.toThrow('enough')
  const drained = c.services.switch('shop', { to: 'green', wait: '20s' })
  held.release()
  expect([(await drained).drained, await (await request).text()]).toEqual([['blue'], 'blue'])
})

test('reload reads the object as it is by then', async () => {
  const definition = { pools: { blue: { servers: { blue1: blue.url } } }, balance: 'leastRequest' }
  const c = await create(configOf({ services: { shop: definition } }))
  expect((await c.config.reload()).changed).toBe(false)
  definition.balance = 'roundRobin'
  expect((await c.config.reload({ reason: 'even' })).changed).toBe(true)
  definition.balance = 'nonsense'
  await expect(c.config.reload()).rejects.toMatchObject({ status: 422, problems: [{ path: 'services.shop.balance' }] })
  expect((await c.services.definition('shop')).written.balance).toBe('roundRobin')
})

test('a call that is cancelled ends at once, and a preview in the middle of its answer', async () => {
  const endless = await startUpstream((_request, response) => response.write('begun'))
  const pools = { blue: { servers: { blue1: blue.url } }, green: { servers: { green1: endless.url } } }
  const c = await create(configOf({ services: { shop: { pools, split: { blue: 100 } } } }))
  await c.ready
  const beforeAnswer = new AbortController()
  const unanswered = c.preview('shop', 'blue', '/hold', { signal: beforeAnswer.signal })
  await blue.arrived(1)
  beforeAnswer.abort(new Error('enough'))
  await expect(unanswered).rejects.toThrow('enough')
  const inAnswer = new AbortController()
  const response = await c.preview('shop', 'green', '/', { signal: inAnswer.signal })
  expect(response.status).toBe(200)
  inAnswer.abort(new Error('enough'))
  await expect(response.text()).rejects.toThrow()
  await endless.close()
})

test('writes its log where it is told to', async () => {
  const c = await create()
  await c.config.reload()
  expect(lines.map((line) => JSON.parse(line).msg)).toContain('the configuration was applied')
  await expect(c.workers.restart()).rejects.toMatchObject({ status: 409, title: 'No workers' })
})

describe('a configuration that cannot be used starts nothing:', () => {
  test('every mistake is named with its path', async () => {
    const { problems, message } = await refusal(
      configOf({ servces: {}, proxy: { listen: 'x', keepalive: 1 } } as never),
    )
    expect(problems.map(({ path }) => path).toSorted()).toEqual(['proxy.keepalive', 'proxy.listen', 'servces'])
    expect(message).toMatch(/^the configuration cannot be used:\n/)
    expect(message.split('\n')).toHaveLength(4)
    expect((await refusal(join(folder, 'none.yaml'))).message).toContain('there is no such file')
  })

  test('what no file can hold', async () => {
    const self: Record<string, unknown> = {}
    self.shop = { pools: self }
    const wrong = {
      proxy: { listen: () => 1, workers: Number.NaN },
      store: new Map(),
      services: self,
      admin: undefined,
    }
    const { problems } = await refusal(wrong)
    expect(problems).toEqual([
      { path: 'proxy.listen', message: 'expected what a file can hold, not a function' },
      { path: 'proxy.workers', message: 'expected what a file can hold, not NaN' },
      { path: 'store', message: 'expected what a file can hold, not a Map' },
      { path: 'services.shop.pools', message: 'contains itself' },
    ])
    expect((await refusal(null)).problems).toHaveLength(1)
    expect((await refusal([])).problems).toHaveLength(1)
  })

  test('an unset variable of the environment, in an object as in a file', async () => {
    const { problems } = await refusal(configOf({ store: { path: `$${'{CUTOVER_NOT_SET}'}` } }))
    expect(problems).toEqual([{ path: 'store.path', message: expect.stringContaining('CUTOVER_NOT_SET') }])
  })

  test('workers, which need a supervisor', async () => {
    const { problems } = await refusal(configOf({ proxy: { workers: 2 } }))
    expect(problems).toEqual([{ path: 'proxy.workers', message: expect.stringContaining('cutover run') }])
    expect((await create(configOf({ proxy: { listen: '127.0.0.1:0', workers: 'auto' } }))).proxy).toMatch(/^http:/)
  })

  test('a conflict with the state in the store', async () => {
    const first = await create()
    await first.services.put('other', { hosts: ['a.test'], pools: { a: { servers: { a1: blue.url } } } })
    await first.close()
    const config = configOf({
      services: { new: { hosts: ['a.test'], pools: { a: { servers: { a1: blue.url } } } } },
    })
    const { problems } = await refusal(config)
    expect(problems).toEqual([
      { path: expect.stringContaining('services.new'), message: expect.stringContaining('other') },
    ])
    expect((await create()).proxy).toMatch(/^http:/)
  })
})

test('an address in use rejects, and leaves nothing running', async () => {
  const port = new URL(blue.url).port
  const taken = configOf({ admin: { listen: `127.0.0.1:${port}` } })
  await expect(create(taken)).rejects.toThrow(/admin\.listen|in use|EADDRINUSE/)
  const c = await create()
  await c.ready
  expect(await (await fetch(c.proxy)).text()).toBe('blue')
})
