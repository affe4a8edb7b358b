import { once } from 'node:events'
import { cp, readdir, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { startCommitter } from '../store/directory.ts'
import { Cutover } from '../support/cutover.ts'
import { Load } from '../support/load.ts'
import { RedisServer } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { endAll, endWithAll, isAlive, pids, pool, upstream } from './support.ts'

afterEach(endAll)

interface Setting {
  readonly cutover: Cutover
  readonly load: Load
  /** Folder with a copy of the store's files from two changes ago. */
  readonly older: string
}

/** Two workers under load with a state that differs from the file: `green` has all of the traffic. */
async function serving(store: object = {}): Promise<Setting> {
  const [blue, green] = [await upstream('blue1'), await upstream('green1')]
  const service = {
    pools: { blue: pool(blue), green: pool(green) },
    split: { blue: 100 },
    health: { interval: '200ms' },
  }
  const cutover = await Cutover.start({ services: { shop: service }, proxy: { workers: 2 }, store })
  endWithAll(() => cutover.stop('SIGKILL'))
  const older = `${cutover.dataPath}-older`
  await cp(cutover.dataPath, older, { recursive: true })
  for (const name of await readdir(older)) if (name.startsWith('lock-')) await unlink(join(older, name))
  await cutover.api('POST', '/api/services/shop/switch', { to: 'green', reason: 'one' })
  await cutover.api('POST', '/api/servers/blue1/disable?wait=10s', { reason: 'two' })
  const load = new Load({ url: `${cutover.proxy}/`, clients: 10, names: ['green1'] })
  await load.more(100)
  return { cutover, load, older }
}

/** Kills the control process, waits until the next one is ready, and resolves with the service and its history. */
async function afterDeath(cutover: Cutover): Promise<object> {
  const [control] = await pids(cutover, 'control')
  process.kill(control as number, 'SIGKILL')
  await until(() => !isAlive(control as number))
  await until(async () => (await cutover.api('GET', '/ready')).status === 200, 30_000)
  return stateOf(cutover)
}

async function stateOf(cutover: Cutover): Promise<object> {
  const { body } = await cutover.api('GET', '/api/services/shop')
  const { body: past } = await cutover.api('GET', '/api/services/shop/history')
  const { revision, split, pools } = body
  const states = pools.flatMap(({ servers }: { servers: { name: string; state: string }[] }) =>
    servers.map(({ name, state }) => [name, state]),
  )
  return { revision, split, states, history: past.history }
}

async function storePart(cutover: Cutover): Promise<{ status: string; detail: string }> {
  return (await cutover.api('GET', '/health')).body.parts.store
}

/** Kinds of harm to the store's files at the time when the control process is killed. */
const HARM: Readonly<Record<string, (setting: Setting) => Promise<unknown>>> = {
  'the folder is removed': ({ cutover }) => rm(cutover.dataPath, { recursive: true }),
  'the log is emptied': ({ cutover }) => truncate(join(cutover.dataPath, 'changes.log')),
  'the snapshot is damaged': ({ cutover }) => writeFile(join(cutover.dataPath, 'state.json'), 'nonsense'),
  'an older copy takes the place of the folder': async ({ cutover, older }) => {
    await rm(cutover.dataPath, { recursive: true })
    await cp(older, cutover.dataPath, { recursive: true })
  },
  'the locks are removed': async ({ cutover: { dataPath } }) => {
    for (const name of await readdir(dataPath)) if (name.startsWith('lock-')) await unlink(join(dataPath, name))
  },
}

test('after harm to the store’s files and the death of the control process, the state is complete and written again, and no request fails', async () => {
  const setting = await serving()
  const { cutover, load } = setting
  for (const [what, harm] of Object.entries(HARM)) {
    const before = await stateOf(cutover)
    await harm(setting)
    expect(await afterDeath(cutover), what).toEqual(before)
    await until(async () => (await storePart(cutover)).status === 'ok')
    // The state is on the disk again, and can be changed.
    expect(await readdir(cutover.dataPath)).toEqual(expect.arrayContaining(['state.json', 'changes.log']))
    for (const way of ['enable', 'drain']) {
      expect((await cutover.api('POST', `/api/servers/blue1/${way}`, { reason: what })).status, what).toBe(200)
    }
  }
  await load.more(100)
  const { failed, answers } = await load.stop()
  expect([failed, Object.keys(answers)]).toEqual([0, ['green1']])
}, 120_000)

test('a removed folder is written again with the next change, which survives a kill -9 right after it', async () => {
  const { cutover, load } = await serving()
  await rm(cutover.dataPath, { recursive: true })
  expect((await cutover.api('POST', '/api/servers/blue1/enable', { reason: 'three' })).status).toBe(200)
  const before = await stateOf(cutover)
  expect(await afterDeath(cutover)).toEqual(before)
  expect(cutover.stderr).toMatch(
    /were removed, replaced or damaged from outside Cutover: revision \d+ was written again/,
  )
  const { failed } = await load.stop()
  expect(failed).toBe(0)
})

test('while another process has the folder, the next control process serves the known state, and says why no change is possible', async () => {
  const { cutover, load } = await serving()
  const before = await stateOf(cutover)
  const [control = -1] = await pids(cutover, 'control')
  // Otherwise the control process may take the folder back first.
  process.kill(control, 'SIGSTOP')
  await rm(cutover.dataPath, { recursive: true })
  const { child, lines } = startCommitter(cutover.dataPath)
  endWithAll(() => child.kill('SIGKILL'))
  expect((await once(lines, 'line'))[0]).toMatch(/^open/)
  process.kill(control, 'SIGCONT')
  await until(async () => (await storePart(cutover)).status === 'degraded')
  expect(await afterDeath(cutover)).toEqual(before)
  const part = await storePart(cutover)
  expect([part.status, part.detail]).toEqual(['degraded', expect.stringContaining(`process ${child.pid}`)])
  const { body } = await cutover.api('GET', '/api/instances')
  expect(body.instances[0].store).toEqual(part)
  const refused = await cutover.api('POST', '/api/servers/blue1/enable')
  expect([refused.status, refused.body.title]).toEqual([503, 'The store takes no changes'])
  expect(refused.body.detail).toContain(`process ${child.pid}`)
  // The answer advises `scope=local`, which works.
  const here = await cutover.api('POST', '/api/servers/blue1/enable?scope=local')
  expect([here.status, here.body.scope]).toEqual([200, 'local'])
  const { failed } = await load.stop()
  expect(failed).toBe(0)
})

test('a control process keeps the state over a kill while Redis is emptied or away and the last known state is removed', async () => {
  const redis = await RedisServer.start({ persist: true })
  endWithAll(() => redis.stop())
  const { cutover, load } = await serving({ redis: redis.url })
  const before = await stateOf(cutover)
  await Promise.all([redis.cli('FLUSHALL'), rm(cutover.dataPath, { recursive: true })])
  expect(await afterDeath(cutover)).toEqual(before)
  expect((await redis.cli('HGET', '{cutover}:meta', 'revision')).length).toBeGreaterThan(0)
  await redis.kill()
  await rm(cutover.dataPath, { recursive: true, force: true })
  expect({ ...(await afterDeath(cutover)), history: [] }).toEqual({ ...before, history: [] })
  expect(await storePart(cutover)).toMatchObject({ status: 'degraded', detail: expect.stringContaining('away') })
  const { failed, answers } = await load.stop()
  expect([failed, Object.keys(answers)]).toEqual([0, ['green1']])
}, 90_000)
