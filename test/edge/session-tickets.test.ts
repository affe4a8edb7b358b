import { afterEach, expect, test } from 'vitest'
import { TicketKeys } from '../../src/control/certificates/ticket-keys.ts'
import { SecretBox } from '../../src/model/secret-box.ts'
import { applyChange, type Documents, EMPTY_DOCUMENTS } from '../../src/model/state.ts'
import { ticketKeysOf } from '../../src/model/ticket-keys.ts'
import type { Store } from '../../src/store/store.ts'
import { CertificateFolder } from '../support/certificate-folder.ts'
import { Cutover, type CutoverOptions } from '../support/cutover.ts'
import { RawConnection } from '../support/raw-client.ts'
import { RedisServer } from '../support/redis.ts'
import { until } from '../support/until.ts'
import { startUpstream, type Upstream } from '../support/upstream.ts'
import { AUTHORITY, GET, secureTo } from './support.ts'

const ending: (() => unknown)[] = []
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end()
})

interface Stage {
  readonly folder: CertificateFolder
  readonly server: Upstream
}

async function stage(): Promise<Stage> {
  const [folder, server] = [await CertificateFolder.create(), await startUpstream()]
  ending.push(
    () => folder.remove(),
    () => server.close(),
  )
  return { folder, server }
}

async function start({ folder, server }: Stage, options: Partial<CutoverOptions> = {}): Promise<Cutover> {
  const certificates = [folder.files('a')]
  const cutover = await Cutover.start({
    services: { shop: { health: 'off', pools: { blue: { servers: { b1: server.url } } } } },
    ...options,
    proxy: { workers: 2, listen: { address: '127.0.0.1:0', tls: { certificates } } },
  })
  ending.push(() => cutover.stop())
  return cutover
}

const portOf = ({ proxy }: Cutover): number => Number(new URL(proxy).port)

/** A connection that has served a request, with the ticket that came with the answer. */
async function visit(
  port: number,
  options: object = {},
): Promise<{ readonly isResumed: boolean; readonly ticket: Buffer }> {
  const socket = await secureTo(port, options)
  let ticket = Buffer.alloc(0)
  socket.on('session', (each) => {
    ticket = each
  })
  const client = new RawConnection(socket)
  expect((await client.ask(GET)).status).toBe(200)
  const visited = {
    isResumed: socket.isSessionReused(),
    ticket: ticket.length > 0 ? ticket : (socket.getSession() ?? ticket),
  }
  client.destroy()
  return visited
}

/** How often a ticket of `from` is good at `to`, of 20 connections. */
async function resumed(from: number, to: number, options: object = {}): Promise<number> {
  const { ticket } = await visit(from, options)
  let count = 0
  for (let i = 0; i < 20; i++) {
    const { isResumed } = await visit(to, { ...options, session: ticket })
    if (isResumed) count++
  }
  return count
}

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a session is resumed at any worker, and after all are replaced: %s',
  async (version) => {
    const set = await stage()
    await set.folder.put('a', AUTHORITY.issue())
    const cutover = await start(set)
    const port = portOf(cutover)
    const options = { minVersion: version, maxVersion: version }
    await until(async () => (await resumed(port, port, options)) === 20)
    const { ticket } = await visit(port, options)
    // An exchange of the certificate does not end sessions.
    await set.folder.put('a', AUTHORITY.issue())
    expect((await cutover.api('POST', '/api/config/reload')).status).toBe(200)
    cutover.process.kill('SIGUSR2')
    await until(() => cutover.stderr.includes('all workers are replaced'))
    expect((await visit(port, { ...options, session: ticket })).isResumed).toBe(true)
  },
)

test('a session is resumed at any instance of a fleet, and the keys are encrypted in the store', async () => {
  const redis = await RedisServer.start()
  ending.push(() => redis.stop())
  const set = await stage()
  await set.folder.put('a', AUTHORITY.issue())
  const store = { redis: redis.url, secret: 'a secret of the whole fleet' }
  const one = await start(set, { store, fleet: { name: 'one' } })
  const two = await start(set, { store, fleet: { name: 'two' } })
  await until(async () => (await resumed(portOf(one), portOf(two))) === 20)
  expect(await resumed(portOf(two), portOf(one))).toBe(20)
  const { sealed, shown } = {
    sealed: await redis.cli('--raw', 'EVAL', DUMP, '0'),
    shown: (await one.api('GET', '/api/config')).body.store,
  }
  expect(sealed).toMatch(/"key":"sealed:v1:/)
  expect(shown.secret).toBe('(hidden)')

  // An instance with another secret, or without one, does not start, and changes nothing.
  for (const [secret, why] of [
    ['another secret, by mistake', /cannot be decrypted with store\.secret/],
    ['', /is encrypted, and store\.secret is not set/],
  ] as const) {
    await expect(start(set, { store: { ...store, secret }, fleet: { name: 'three' } })).rejects.toThrow(why)
  }
  expect(await redis.cli('--raw', 'EVAL', DUMP, '0')).toBe(sealed)
  expect(await resumed(portOf(one), portOf(two))).toBe(20)
})

/** Returns the document with the keys. */
const DUMP = `for _, key in ipairs(redis.call('KEYS', '*')) do
  if redis.call('TYPE', key).ok == 'hash' then
    local found = redis.call('HGET', key, 'ticketKeys/current')
    if found then return found end
  end
end`

test('keys are replaced after 12 hours by one of the instances, and kept until then', async () => {
  let documents: Documents = EMPTY_DOCUMENTS
  let now = 1_000
  let commits = 0
  const listeners: (() => void)[] = []
  const store = {
    documents: () => documents,
    nowMs: () => now,
    status: () => ({ up: true }),
    troubles: () => [],
    subscribe: (listener: () => void) => void listeners.push(listener),
    onStatus: (listener: () => void) => void listeners.push(listener),
    refresh: () => Promise.resolve(),
    commit: async (change: Parameters<Store['commit']>[0]) => {
      if (change.revision !== documents.revision + 1) return 'stale'
      commits++
      documents = applyChange(documents, change)
      for (const tell of listeners) tell()
      return 'committed'
    },
  } as unknown as Store
  const used: string[][] = [[], []]
  const fail = (error: unknown): void => {
    throw error
  }
  const both = used.map(
    (keys) => new TicketKeys({ store, box: new SecretBox(''), use: (key) => keys.push(key), onError: fail }),
  )
  for (const each of both) each.start()
  await until(() => commits === 1)
  const keyOf = (): string => (ticketKeysOf(documents) as { key: string }).key
  const first = keyOf()
  expect(used.map((keys) => keys.at(-1))).toEqual([first, first])
  // The instance that made them has never used others, so that its first tickets stay good.
  expect(new Set(used[0])).toEqual(new Set([first]))
  now += 12 * 3_600_000 - 1
  for (const tell of listeners) tell()
  await new Promise((resolve) => setImmediate(resolve))
  expect([commits, keyOf()]).toEqual([1, first])
  now += 1
  for (const tell of listeners) tell()
  await until(() => commits === 2)
  await new Promise((resolve) => setImmediate(resolve))
  expect(commits).toBe(2)
  expect(keyOf()).not.toBe(first)
  expect(used.map((keys) => keys.at(-1))).toEqual([keyOf(), keyOf()])
  for (const each of both) each.stop()
})
