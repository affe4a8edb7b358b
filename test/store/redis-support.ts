import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Change } from '../../src/model/state.ts'
import type { RegisterSettings } from '../../src/store/redis/redis-register.ts'
import type { RedisTls, RedisTopology } from '../../src/store/redis/redis-settings.ts'
import { RedisStore } from '../../src/store/redis/redis-store.ts'
import { patience } from '../support/patience.ts'
import { changeFor } from './changes.ts'

const ending: (() => unknown)[] = []

/** Ends whatever was started here, the last first. */
export async function endAll(): Promise<void> {
  for (const end of ending.splice(0).reverse()) await end()
}

export function endWithAll<T extends { stop(): unknown }>(started: T): T {
  ending.push(() => started.stop())
  return started
}

export async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cutover-redis-store-'))
  ending.push(() => rm(path, { recursive: true, force: true }))
  return path
}

/** A store that remembers what it told. */
export interface Told {
  readonly store: RedisStore
  readonly told: string[]
  readonly path: string
}

export interface Opening {
  readonly path?: string
  readonly prefix?: string
  readonly tls?: RedisTls
  readonly checkMs?: number
  readonly register?: RegisterSettings
}

/** A store, not open yet. */
export async function storeOn(
  redis: string | RedisTopology,
  { path, prefix = 'test', tls, checkMs, register }: Opening = {},
): Promise<Told> {
  const told: string[] = []
  const directory = path ?? (await folder())
  const topology = typeof redis === 'string' ? { kind: 'single' as const, url: redis } : redis
  const store = new RedisStore({
    settings: { topology, tls: tls ?? null },
    prefix,
    path: directory,
    ...(checkMs === undefined ? {} : { checkMs }),
    ...(register === undefined ? {} : { register }),
    tell: (level, message) => told.push(`${level}: ${message}`),
  })
  ending.push(() => store.close())
  return { store, told, path: directory }
}

export async function open(redis: string | RedisTopology, opening: Opening = {}): Promise<Told> {
  const told = await storeOn(redis, opening)
  await told.store.open()
  return told
}

/** Commits a change at the next revision; repeats it while others are first. */
export async function next(store: RedisStore, note = ''): Promise<Change> {
  for (;;) {
    const change = changeFor(store.documents().revision + 1, 'shop', note)
    if ((await store.commit(change)) !== 'stale') return change
  }
}

/** Resolves when a store is at a revision, or past it. */
export function at(store: RedisStore, revision: number): Promise<void> {
  return when(store, () => store.documents().revision >= revision)
}

/** Resolves when something is true of a store, asked again whenever it has changed or somewhat later. */
export async function when(store: RedisStore, isSo: () => boolean, withinMs = 10_000): Promise<void> {
  const until = performance.now() + patience(withinMs)
  while (!isSo()) {
    if (performance.now() > until)
      throw new Error(`not within ${withinMs} ms: ${isSo}; ${JSON.stringify(store.status())}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}
