import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Cutover } from '../support/cutover.ts'
import { until } from '../support/until.ts'
import { expectEqual } from './equal.ts'
import type { InstanceName, InstanceOptions } from './support.ts'
import { Fleet, INSTANCES, instanceView, serverView, shop } from './support.ts'

const started = Fleet.empty()
let fleet: Fleet
/** Of this test alone. */
let prefix = ''
let tests = 0
beforeEach(async () => {
  fleet = await started
  prefix = `test${++tests}`
  onTestFinished(async () => {
    await Promise.all(fleet.all.map((each) => each.stop('SIGKILL')))
  })
})
afterAll(async () => (await started).stop())

/** A configuration of the shop and of a service that is named after the configuration. */
function file(name: string, configVersion?: number, more: object = {}): InstanceOptions & { services: object } {
  const services = { shop: fleet.app.service(more), [name]: fleet.app.service({ paths: [`/${name}`] }) }
  return { services, ...(configVersion === undefined ? {} : { configVersion }) }
}

/**
 * Without workers, unless told otherwise: what file is in force is a matter of control processes, and they start often.
 */
function start(name: InstanceName, options: InstanceOptions, workers = 0): Promise<Cutover> {
  return fleet.add(name, { ...options, store: { redis: fleet.redis.url, prefix }, proxy: { workers } })
}

/** Ends an instance in good order, and starts it again with a file. */
async function restart(name: InstanceName, options: InstanceOptions): Promise<Cutover> {
  await fleet.get(name).stop()
  return start(name, options)
}

/** Names of the services, and the revision, as an instance has them. */
async function inForce(at: Cutover): Promise<{ names: string[]; revision: number }> {
  const { revision, services } = (await at.api('GET', '/api/services')).body
  return { names: services.map(({ name }: { name: string }) => name).sort(), revision }
}

/** How often the file was applied to a service, by its history. */
async function configured(at: Cutover, service: string): Promise<number> {
  const { history } = (await at.api('GET', `/api/services/${service}/history`)).body
  return history.filter(({ action }: { action: string }) => action === 'configure').length
}

test('three instances that start at once on an empty Redis with one file make one revision', async () => {
  await Promise.all(INSTANCES.map((name) => start(name, file('one'), 2)))
  await fleet.settled()
  for (const each of fleet.all) {
    expect(await inForce(each)).toEqual({ names: ['one', 'shop'], revision: 1 })
    for (const service of ['one', 'shop']) expect(await configured(each, service)).toBe(1)
  }
  await expectEqual(fleet)
  // An instance that starts later with the same file makes none either.
  const c = await restart('c', file('one'))
  expect((await inForce(c)).revision).toBe(1)
})

test.each([[['a', 'b', 'c'] as const], [['c', 'a', 'b'] as const]])(
  'of files with a configVersion the highest is in force, started in the order %j',
  async (order) => {
    const files = { a: file('one', 1), b: file('two', 2), c: file('three', 3) }
    for (const name of order) await start(name, files[name])
    await fleet.settled()
    // A start removes nothing; a reload removes services that the file no longer has.
    const removed = await fleet.get('c').api('POST', '/api/config/reload?wait=10s&force')
    expect(removed.status).toBe(200)
    const { revision } = await inForce(fleet.get('c'))
    for (const each of fleet.all) {
      expect(await inForce(each)).toEqual({ names: ['shop', 'three'], revision })
      await expectDifferentFiles(each)
      const { body } = await each.api('GET', '/api/instances')
      expect(body.configuration.version).toBe(3)
      const known = body.instances.map(({ name, configuration: { inForce, standing, version } }: Configured) => {
        return [name, inForce, standing, version]
      })
      expect(known.sort()).toEqual([
        ['a', false, 'older', 1],
        ['b', false, 'older', 2],
        ['c', true, 'inForce', 3],
      ])
    }
    await fleet.get('a').api('POST', '/api/services/shop/shift?wait=10s', { to: 'green', percent: 20 })
    await fleet.get('b').api('POST', '/api/servers/blue2/drain?wait=10s')
    for (const name of ['a', 'b', 'a'] as const) {
      const again = await restart(name, files[name])
      expect(again.stderr).toContain('is not the file in force in the fleet (older): its services were not applied')
      expect(await inForce(again)).toEqual({ names: ['shop', 'three'], revision: revision + 2 })
    }
    expect((await shop(fleet.get('c'))).split).toEqual({ blue: 80, green: 20 })
    expect(await serverView(fleet.get('a'), 'blue2')).toMatchObject({ state: 'drain' })
  },
  // Eight starts, one after the other.
  240_000,
)

interface Configured {
  readonly name: string
  readonly configuration: { readonly inForce: boolean; readonly standing: string; readonly version: number | null }
}

/** What an instance says in /health of the configuration files. */
async function healthOfFiles(at: Cutover): Promise<{ status: string; detail: string | null }> {
  return (await at.api('GET', '/health')).body.parts.configuration
}

async function expectDifferentFiles(at: Cutover): Promise<void> {
  const { status, detail } = await healthOfFiles(at)
  expect(status).toBe('degraded')
  const each = [
    'a has \\w{8} \\(older, configVersion 1\\)',
    'b has \\w{8} \\(older, .*',
    'c has \\w{8} \\(in force, .*',
  ]
  expect(detail).toMatch(new RegExp(`the instances have different files: ${each.join('; ')}`))
}

test('files with three versions that are started at once end with the highest', async () => {
  const files = { a: file('one', 1), b: file('two', 2), c: file('three', 3) }
  await Promise.all(INSTANCES.map((name) => start(name, files[name])))
  await fleet.settled()
  for (const each of fleet.all) {
    expect((await inForce(each)).names).toEqual(expect.arrayContaining(['shop', 'three']))
    expect((await each.api('GET', '/api/instances')).body.configuration.version).toBe(3)
  }
  await expectEqual(fleet)
})

test('a reload of an older version is refused, one of a higher version is applied, and decisions at run time stand', async () => {
  const a = await start('a', file('one', 1))
  const b = await start('b', file('two', 2))
  await b.api('POST', '/api/config/reload?force')
  await a.api('POST', '/api/services/shop/shift?wait=10s', { to: 'green', percent: 20 })
  const { revision } = await inForce(a)
  const refused = await a.api('POST', '/api/config/reload')
  expect([refused.status, refused.body.title]).toEqual([409, 'Would break a promise'])
  expect(refused.body.detail).toContain(
    'The file has configVersion 1; a file with configVersion 2 is in force in the fleet',
  )
  expect(await inForce(a)).toEqual({ names: ['shop', 'two'], revision })
  const forced = await a.api('POST', '/api/config/reload?wait=10s', { force: true })
  expect([forced.status, (await inForce(b)).names]).toEqual([200, ['one', 'shop']])
  expect((await b.api('POST', '/api/config/reload?wait=10s&force')).status).toBe(200)
  expect((await inForce(a)).names).toEqual(['shop', 'two'])
  await b.configure({ ...file('newer', 3), ...connected('b') })
  const newer = await b.api('POST', '/api/config/reload?wait=10s&force')
  expect([newer.status, newer.body.changed]).toEqual([200, true])
  expect((await inForce(a)).names).toEqual(['newer', 'shop'])
  await until(async () => (await instanceView(a, 'b')).configuration.inForce)
  expect((await instanceView(a, 'b')).configuration.version).toBe(3)
  expect((await shop(a)).split).toEqual({ blue: 80, green: 20 })
})

/** What a file says of the store and the fleet, as `start` has it. */
function connected(name: InstanceName): InstanceOptions {
  return {
    proxy: { workers: 0, accessLog: 'off' },
    store: { redis: fleet.redis.url, prefix },
    fleet: { name },
  }
}

test('a version twice with different services: the first one stands, and the second is warned', async () => {
  const a = await start('a', file('one', 7))
  const b = await start('b', file('other', 7))
  expect(b.stderr).toContain('is not the file in force in the fleet (differs)')
  for (const each of [a, b]) expect((await inForce(each)).names).toEqual(['one', 'shop'])
  const reload = await b.api('POST', '/api/config/reload')
  expect([reload.status, reload.body.detail]).toEqual([409, expect.stringContaining('configVersion 7')])
})

test('without versions a file that was in force before is not applied again at a start, and a new one is', async () => {
  const a = await start('a', file('one'))
  await start('b', file('one'))
  await a.api('POST', '/api/services/shop/shift?wait=10s', { to: 'green', percent: 20 })
  await a.api('POST', '/api/servers/blue1/drain?wait=10s')
  const b = await restart('b', file('two'))
  const { revision, names } = await inForce(b)
  expect([names, revision]).toEqual([['one', 'shop', 'two'], 4])
  // A machine with the file of yesterday comes back.
  for (let time = 0; time < 2; time++) {
    const old = await restart('a', file('one'))
    expect(old.stderr).toContain('is not the file in force in the fleet (older)')
    expect(await inForce(old)).toEqual({ names: ['one', 'shop', 'two'], revision })
  }
  const third = await restart('a', file('three'))
  expect(await inForce(third)).toEqual({ names: ['one', 'shop', 'three', 'two'], revision: revision + 1 })
  // Who asks for it knows which file is wanted.
  const back = await b.api('POST', '/api/config/reload?wait=10s&force')
  expect([back.status, back.body.changed]).toEqual([200, true])
  expect((await inForce(third)).names).toEqual(['shop', 'two'])
  expect((await shop(b)).split).toEqual({ blue: 80, green: 20 })
  expect(await serverView(third, 'blue1')).toMatchObject({ state: 'drain' })
})

test('an instance that starts from its last known state while Redis is away does not bring its old file along', async () => {
  const dataPath = await mkdtemp(join(tmpdir(), 'cutover-fleet-'))
  onTestFinished(() => rm(dataPath, { recursive: true, force: true }))
  const a = await start('a', file('one', 1))
  await start('b', { ...file('one', 1), dataPath })
  await fleet.settled()
  await fleet.get('b').stop()
  await a.configure({ ...file('two', 2), ...connected('a') })
  expect((await a.api('POST', '/api/config/reload?force')).status).toBe(200)
  const { revision } = await inForce(a)
  fleet.redis.pause()
  const b = await start('b', { ...file('one', 1), dataPath }).finally(() => fleet.redis.resume())
  await until(async () => (await inForce(b)).revision === revision, 5_000)
  await until(() => b.stderr.includes('is not the file in force in the fleet (older)'))
  expect(await inForce(b)).toEqual({ names: ['shop', 'two'], revision })
  expect(await inForce(a)).toEqual({ names: ['shop', 'two'], revision })
})

/** Starts an instance that is to end with an exit code before it is ready; what it said. */
async function refused(name: InstanceName, options: InstanceOptions): Promise<string> {
  const error = await start(name, options).then(
    () => new Error('it has started'),
    (error: Error) => error,
  )
  expect(error.message).toContain('ended with code 2 before it was ready')
  return error.message
}

test.each([0, 1])(
  'a file with other services than the fleet has is refused at a start (workers: %d)',
  async (workers) => {
    const a = await start('a', file('one'))
    const { revision } = await inForce(a)
    const services = { foreign: fleet.app.service({ paths: ['/foreign'] }) }
    const said = await refused('b', { services, proxy: { workers } })
    expect(said).toContain(`no service in common with the fleet at store.prefix "${prefix}"`)
    expect(said).toContain('the fleet serves one, shop, the file has foreign.')
    expect(said).toContain('--join-anyway')
    expect(await inForce(a)).toEqual({ names: ['one', 'shop'], revision })
    expect(await healthOfFiles(a)).toEqual({ status: 'ok', detail: null })

    // Who insists adds to the fleet, and takes nothing away.
    const b = await start('b', { services, args: ['--join-anyway'] }, workers)
    expect((await inForce(a)).names).toEqual(['foreign', 'one', 'shop'])
    expect((await fetch(`${a.proxy}/one`)).status).toBe(200)
    expect((await healthOfFiles(b)).detail).toContain('the instances have different files: a has')
    const gone = await b.api('POST', '/api/config/reload')
    expect([gone.status, gone.body.detail]).toEqual([409, expect.stringContaining('has traffic and would be removed')])
  },
)

test('a file without services follows the fleet, and one that has lost its services does not start', async () => {
  const a = await start('a', file('one'))
  const { revision } = await inForce(a)
  const b = await start('b', { services: {} })
  expect(await inForce(b)).toEqual({ names: ['one', 'shop'], revision })
  expect(await healthOfFiles(a)).toEqual({ status: 'ok', detail: null })
  expect(await refused('c', { services: null })).toContain('services: is missing: the file is empty or was cut short.')
  expect(await inForce(a)).toEqual({ names: ['one', 'shop'], revision })
})

test('a new file is rolled out by restarts: what it adds is there, and a reload removes what it has no more', async () => {
  await start('a', file('one', 1))
  await start('b', file('one', 1))
  const a = await restart('a', file('two', 2))
  expect((await inForce(a)).names).toEqual(['one', 'shop', 'two'])
  const b = await restart('b', file('two', 2))
  for (const each of [a, b]) {
    expect((await inForce(each)).names).toEqual(['one', 'shop', 'two'])
    const { status, detail } = await healthOfFiles(each)
    expect([status, detail]).toEqual([
      'degraded',
      expect.stringMatching(/to remove those of one, POST \/api\/config\/reload$/),
    ])
  }
  expect((await b.api('POST', '/api/config/reload')).status).toBe(409)
  expect((await b.api('POST', '/api/config/reload?force&wait=10s')).status).toBe(200)
  for (const each of [a, b]) expect((await inForce(each)).names).toEqual(['shop', 'two'])
  expect(await healthOfFiles(a)).toEqual({ status: 'ok', detail: null })
})

test('a host or path that a newer file takes away at a start stays until a reload, and a renamed service does not', async () => {
  const services = (names: Record<string, string[]>) =>
    Object.fromEntries(Object.entries(names).map(([name, paths]) => [name, fleet.app.service({ paths })]))
  const paths = async (at: Cutover, name: string) => (await at.api('GET', `/api/services/${name}`)).body.paths
  await start('a', { services: services({ shop: ['/', '/more'], pay: ['/pay'], kept: ['/kept'] }) })
  const next = { services: services({ shop: ['/more'], till: ['/pay'], kept: ['/kept'] }) }
  const b = await start('b', next)
  expect((await inForce(b)).names).toEqual(['kept', 'shop', 'till'])
  expect(await paths(b, 'shop')).toEqual(['/', '/more'])
  expect((await b.api('POST', '/api/config/reload?force')).status).toBe(200)
  expect(await paths(b, 'shop')).toEqual(['/more'])
})

test('while Redis is away at a start, a file with other services is found out when it is back, and not applied', async () => {
  const dataPath = await mkdtemp(join(tmpdir(), 'cutover-fleet-'))
  onTestFinished(() => rm(dataPath, { recursive: true, force: true }))
  const a = await start('a', file('one'))
  await start('b', { ...file('one'), dataPath })
  await fleet.settled()
  const { revision } = await inForce(a)
  await fleet.get('b').stop()
  const services = { foreign: fleet.app.service({ paths: ['/foreign'] }) }
  fleet.redis.pause()
  const b = await start('b', { services, dataPath }).finally(() => fleet.redis.resume())
  await until(async () =>
    (await healthOfFiles(b)).detail?.includes('the file was not applied: The file has no service'),
  )
  expect(await inForce(b)).toEqual({ names: ['one', 'shop'], revision })
  expect(await inForce(a)).toEqual({ names: ['one', 'shop'], revision })
  expect((await fetch(`${b.proxy}/one`)).status).toBe(200)
  await until(async () => (await instanceView(a, 'b')).configuration.problem !== null)
})
