import { isDeepStrictEqual } from 'node:util'
import { type DocumentKind, findDocument } from './document-kind.ts'
import { own } from './names.ts'
import { isFields } from './shape.ts'
import { shareOf } from './split.ts'
import type { Documents, JsonObject, JsonValue, ServerRuntime, Service } from './state.ts'
import { currentSplit } from './state.ts'

/** A pool as it was before a deploy. */
export type FormerPool = {
  /** Its definition as written; null = it did not exist. */
  readonly definition: JsonObject | null
  /** The `split` of the service's definition as written, for a pool that did not exist; null = there was none. */
  readonly split: JsonValue
  /** The runtime settings of its servers, by `pool/server`. */
  readonly servers: Readonly<Record<string, ServerRuntime>>
}

/**
 * A deploy that waits for its servers to be up. Its document, by the name of the service, exists from the change that puts
 * the servers into the pool to the one that switches there or restores the pool.
 */
export type Deploy = {
  readonly id: string
  readonly pool: string
  readonly by: string
  /** When it began, ISO 8601, by the store's clock. */
  readonly at: string
  /** Id of the instance that carries it out; if that instance is gone, another one restores the pool. */
  readonly instance: string
  /** The Idempotency-Key of its request; absent = it has none. */
  readonly key?: string
  /** The definition of the pool that the deploy has written. */
  readonly definition: JsonObject
  readonly former: FormerPool
}

export const DEPLOYS: DocumentKind<Deploy> = {
  collection: 'deploys',
  fits: (value): value is Deploy =>
    [value.id, value.pool, value.by, value.at, value.instance].every((text) => typeof text === 'string') &&
    (value.key === undefined || typeof value.key === 'string') &&
    isFields(value.definition) &&
    isFields(value.former) &&
    (value.former.definition === null || isFields(value.former.definition)) &&
    isFields(value.former.servers) &&
    Object.values(value.former.servers).every(isFields),
}

/** Finds the deploy that a service waits for; null = none that this version can read. */
export function runningDeploy(documents: Pick<Documents, 'collections'>, service: string): Deploy | null {
  const found = findDocument(DEPLOYS, documents, service)
  return found === null || found === 'unreadable' ? null : found.value
}

/** Whether the pool is as the deploy has written it, and has no share: nobody has changed or used it since. */
export function isAsDeployed(service: Service, { pool, definition }: Deploy): boolean {
  const isSame = isDeepStrictEqual(poolOf(service.source, pool), definition)
  return isSame && shareOf(currentSplit(service), pool) === 0
}

/** The definition of a pool as written; null = there is no such pool. */
export function poolOf({ pools }: JsonObject, pool: string): JsonObject | null {
  const definition = isFields(pools) ? own(pools, pool) : undefined
  return isFields(definition) ? (definition as JsonObject) : null
}
