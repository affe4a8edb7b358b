import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { checkService } from '../../src/config/check-service.ts'
import { Controller } from '../../src/control/controller.ts'
import { defineService } from '../../src/control/definitions.ts'
import { LastReadableFile } from '../../src/control/last-readable-file.ts'
import type { Resolve } from '../../src/control/resolve.ts'
import type { LastReadable, Memory } from '../../src/control/unreadable.ts'
import type { Command } from '../../src/model/commands.ts'
import { servingKeys } from '../../src/model/servers.ts'
import type { JsonObject, ServerRuntime, Service } from '../../src/model/state.ts'
import { compileService } from '../../src/model/table.ts'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { FORCED, NONE_UP, PLAIN } from '../model/support.ts'

/** A version that does not know `minReady` yet. */
const older: Resolve = (name, source) => {
  if (Object.hasOwn(source, 'minReady')) return { ok: false, problems: [{ path: 'minReady', message: 'unknown key' }] }
  return checkService(name, source)
}

const server = (port: number) => `http://127.0.0.1:${port}`
const pools = { blue: { servers: { blue1: server(1) } }, green: { servers: { green1: server(2) } } }
const readable = { pools, split: { blue: 100 } }

let folder: string
let store: EmbeddedStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cutover-unreadable-'))
  store = new EmbeddedStore({ path: join(folder, 'store') })
  onTestFinished(async () => {
    await store.close()
    await rm(folder, { recursive: true })
  })
})

/** An instance of the older version. */
async function start(memory?: Memory): Promise<Controller> {
  const controller = new Controller(store, older, () => NONE_UP, memory)
  await controller.start()
  return controller
}

interface Written {
  readonly split?: Readonly<Record<string, number>>
  readonly servers?: Readonly<Record<string, ServerRuntime>>
}

/** A definition written by a newer version. */
async function write(name: string, source: JsonObject, { split = { blue: 100 }, servers = {} }: Written = {}) {
  const revision = store.documents().revision + 1
  const document = { name, revision, source, decisions: [{ revision, split }], servers, poolCuts: {} }
  const change = { revision, at: new Date().toISOString(), services: { [name]: document }, history: [] }
  expect(await store.commit(change)).toBe('committed')
}

function serviceOf({ state }: Controller, name = 'shop'): Service {
  const service = state.services[name]
  if (service === undefined) throw new Error(`there is no ${name}`)
  return service
}

test('an unreadable definition leaves the last readable one in force, and the reason is given', async () => {
  await store.open().then(() => write('shop', readable))
  await store.close()
  store = new EmbeddedStore({ path: join(folder, 'store') })
  const controller = await start()
  const { spec } = serviceOf(controller)
  await write('shop', { ...readable, pools: { blue: pools.blue }, minReady: 2 })
  expect(controller.cannotFollow).toEqual([
    { name: 'shop', problems: [{ path: 'minReady', message: 'unknown key' }], isServed: true },
  ])
  expect(serviceOf(controller).spec).toBe(spec)
  await write('shop', readable)
  expect(controller.cannotFollow).toEqual([])
})

test('later decisions apply to the last readable definition as far as it has their pools and servers', async () => {
  await store.open().then(() => write('shop', readable))
  await store.close()
  store = new EmbeddedStore({ path: join(folder, 'store') })
  const controller = await start()
  const source = { pools: { ...pools, red: { servers: {} } }, minReady: 2 }
  await write('shop', source, { split: { green: 100 } })
  expect(servingKeys(serviceOf(controller))).toEqual([`shop/green/green1=${server(2)}`])
  const drain: ServerRuntime = { state: 'drain', weight: null, cutAt: null }
  await write('shop', source, { split: { blue: 50, green: 50 }, servers: { 'green/green1': drain } })
  expect(servingKeys(serviceOf(controller))).toEqual([`shop/blue/blue1=${server(1)}`])
  // A pool that is unknown here cannot get traffic: the split stays as it was.
  await write('shop', source, { split: { red: 100 } })
  expect(serviceOf(controller).decisions.at(-1)?.split).toEqual({ blue: 50, green: 50 })
  await write('shop', source, { split: { red: 50, green: 50 } })
  expect(serviceOf(controller).decisions.at(-1)?.split).toEqual({ green: 100 })
  expect(store.documents().services.shop?.source).toEqual(source)
})

test('commands for such a service are refused, except to remove it or define it anew', async () => {
  const controller = await start()
  await write('shop', { ...readable, minReady: 2 })
  const decided: Command[] = [
    { kind: 'server', server: 'blue1', state: 'drain' },
    { kind: 'switch', service: 'shop', to: 'green' },
  ]
  await write('shop', readable)
  await write('shop', { ...readable, minReady: 3 })
  const { revision } = store.documents()
  for (const command of decided) {
    const result = await controller.execute(() => ({ command }), FORCED)
    const detail = expect.stringContaining('This instance cannot read the definition of shop (minReady: unknown key)')
    expect(result).toEqual({ kind: 'refused', refusal: { kind: 'conflict', detail } })
  }
  expect(store.documents().revision).toBe(revision)
  expect(await controller.execute(defineService('shop', readable), PLAIN)).toMatchObject({
    kind: 'done',
    changed: true,
  })
  expect(controller.cannotFollow).toEqual([])
  await write('shop', { ...readable, minReady: 3 })
  const remove: Command = { kind: 'remove', service: 'shop' }
  expect(await controller.execute(() => ({ command: remove }), FORCED)).toMatchObject({ kind: 'done', changed: true })
})

test('a service that was never readable has its hosts and paths, no servers, and takes no routes from others', async () => {
  const controller = await start()
  await write('web', { ...readable, paths: ['/web'] })
  await write('shop', { ...readable, hosts: ['shop.test'], paths: ['/', '/shop'], minReady: 2 })
  await write('wide', { ...readable, paths: ['/web', '/wide'], minReady: 2 })
  await write('odd', { pools: 5, minReady: 2 })
  const table = (name: string) => {
    const { hosts, paths, pools: compiled } = compileService(serviceOf(controller, name))
    return { hosts, paths, servers: compiled.flatMap(({ servers }) => servers) }
  }
  expect(table('shop')).toEqual({ hosts: ['shop.test'], paths: ['/', '/shop'], servers: [] })
  expect(table('wide')).toEqual({ hosts: [], paths: ['/wide'], servers: [] })
  expect(table('odd')).toEqual({ hosts: [], paths: [], servers: [] })
  expect(controller.cannotFollow.map(({ name, isServed }) => [name, isServed])).toEqual([
    ['shop', false],
    ['wide', false],
    ['odd', false],
  ])
})

test('a path of the last readable definition that another service has taken over belongs to that service', async () => {
  const controller = await start()
  await write('shop', { ...readable, paths: ['/shop', '/pay'] })
  await write('shop', { ...readable, paths: ['/shop'], minReady: 2 })
  expect(serviceOf(controller).spec.paths).toEqual(['/shop', '/pay'])
  await write('pay', { ...readable, paths: ['/pay'] })
  expect(serviceOf(controller).spec.paths).toEqual(['/shop'])
  expect(serviceOf(controller, 'pay').spec.paths).toEqual(['/pay'])
})

test('the next process serves the last readable definition, too: from the disk or the last known state', async () => {
  const unheard = (message: string) => expect.unreachable(message)
  const file = new LastReadableFile(folder, 'a', () => null, unheard)
  await file.load()
  const first = await start(file)
  await write('shop', readable)
  await write('shop', { ...readable, minReady: 2 })
  await file.close()
  await store.close()

  const restarted = async (memory: LastReadableFile): Promise<Controller> => {
    store = new EmbeddedStore({ path: join(folder, 'store') })
    await memory.load()
    return start(memory)
  }
  const second = new LastReadableFile(folder, 'a', () => null, unheard)
  const again = await restarted(second)
  expect(servingKeys(serviceOf(again))).toEqual(servingKeys(serviceOf(first)))
  expect(again.cannotFollow).toMatchObject([{ name: 'shop', isServed: true }])
  await write('shop', readable)
  await second.close()
  expect(await readdir(folder)).toEqual(['store'])
  await write('shop', { ...readable, minReady: 2 })
  await second.close()
  await store.close()

  const known: Readonly<Record<string, LastReadable>> = { shop: { source: readable, split: { green: 100 } } }
  await writeFile(join(folder, 'last-readable-b.json'), '{"shop": 5, "damaged')
  const documents = { ...store.documents(), services: {} }
  const lastKnown = { ...documents, services: { shop: documentOf(known.shop as LastReadable) } }
  const fromLastKnown = new LastReadableFile(folder, 'b', () => lastKnown, unheard)
  const third = await restarted(fromLastKnown)
  expect(serviceOf(third).spec.pools.green?.servers.green1?.url).toBe(server(2))
  await fromLastKnown.close()
})

test('the next process that can read all definitions forgets the kept ones', async () => {
  const first = new LastReadableFile(folder, 'a', () => null, expect.unreachable)
  await first.load()
  await start(first)
  await write('shop', readable)
  await write('shop', { ...readable, minReady: 2 })
  await first.close()
  expect(await readdir(folder)).toEqual(['last-readable-a.json', 'store'])
  await write('shop', readable)
  await first.close()
  await writeFile(join(folder, 'last-readable-a.json'), JSON.stringify({ shop: { source: {}, split: {} } }))
  await store.close()
  store = new EmbeddedStore({ path: join(folder, 'store') })
  const second = new LastReadableFile(folder, 'a', () => null, expect.unreachable)
  await second.load()
  await start(second)
  await second.close()
  expect(await readdir(folder)).toEqual(['store'])
})

test('definitions that could not be kept are kept with the next change, and only the first failure is logged', async () => {
  const warnings: string[] = []
  const missing = join(folder, 'missing')
  const file = new LastReadableFile(
    missing,
    'a',
    () => null,
    (message) => warnings.push(message),
  )
  await file.load()
  await start(file)
  await write('shop', readable)
  for (const minReady of [1, 2]) {
    await write('shop', { ...readable, minReady })
    await file.close()
  }
  expect(warnings).toEqual([expect.stringMatching(/^the last readable definitions cannot be kept: ENOENT/)])
  await mkdir(missing)
  await write('other', readable)
  await file.close()
  expect(await readdir(missing)).toEqual(['last-readable-a.json'])
})

function documentOf({ source, split }: LastReadable) {
  return { name: 'shop', revision: 1, source, decisions: [{ revision: 1, split }], servers: {}, poolCuts: {} }
}
