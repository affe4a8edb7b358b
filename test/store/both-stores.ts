import { onTestFinished } from 'vitest'
import type { Change, Documents } from '../../src/model/state.ts'
import { EmbeddedStore } from '../../src/store/embedded/embedded-store.ts'
import { RedisStore } from '../../src/store/redis/redis-store.ts'
import type { Store } from '../../src/store/store.ts'
import { RedisServer } from '../support/redis.ts'
import { temporaryDirectory } from './directory.ts'

/** A place where state lives, for tests of what every store promises. */
export interface Place {
  /** A store there, opened; it is closed after the test. */
  open(): Promise<Store>
}

/** Kinds of store by name, each with a way to make a new, empty place. */
export const BOTH_STORES: readonly (readonly [name: string, place: () => Promise<Place>])[] = [
  ['the embedded store', embeddedPlace],
  ['the store in Redis', redisPlace],
]

async function embeddedPlace(): Promise<Place> {
  const path = await temporaryDirectory()
  return { open: () => opened(new EmbeddedStore({ path, tell: () => undefined })) }
}

async function redisPlace(): Promise<Place> {
  const redis = await RedisServer.start()
  onTestFinished(() => redis.stop())
  const settings = { topology: { kind: 'single' as const, url: redis.url }, tls: null }
  return {
    open: async () =>
      opened(new RedisStore({ settings, prefix: 'test', path: await temporaryDirectory(), tell: () => undefined })),
  }
}

async function opened(store: Store): Promise<Store> {
  onTestFinished(() => store.close())
  await store.open()
  return store
}

/** The next revision of a store, changing nothing but what is given. */
export function nextChange(store: Pick<Store, 'documents'>, change: Partial<Change> = {}): Change {
  const revision = store.documents().revision + 1
  return { revision, at: new Date(revision).toISOString(), services: {}, history: [], ...change }
}

/** Documents without the name of their state. */
export function withoutHead({ head: _, ...documents }: Documents): Omit<Documents, 'head'> {
  return documents
}
