import type { DiscoveredName } from './discovery.ts'
import type { EventDraft } from './event-record.ts'
import type { JsonObject, JsonValue } from './json.ts'
import type { ServiceRollout } from './rollout/table-rollout.ts'
import type { ServiceMode } from './service-mode.ts'
import type { ServiceSpec, Split } from './spec.ts'

export type { JsonObject, JsonValue } from './json.ts'

/** Server state set by people. */
export type ServerState = 'ready' | 'drain' | 'maint'
/** Health found by checks; `ejected`: up by the active checks, but requests have failed there. */
export type Health = 'unknown' | 'up' | 'down' | 'ejected'

/** Settings of a server made by people at run time; they survive reloads and restarts as long as the server exists. */
export type ServerRuntime = {
  readonly state: ServerState
  /** Overrides the configured weight; null = as configured. */
  readonly weight: number | null
  /** Overrides the service's `connections.perServer`; absent = as configured. */
  readonly maxConnections?: number
  /**
   * When requests in flight are cut, ms since the epoch by the store's clock; null = never. Set with `drain` and
   * `maint`.
   */
  readonly cutAt: number | null
}

/** A routing decision and the revision that made it. */
export interface Decision {
  readonly revision: number
  readonly split: Split
}

/** A service as the store keeps it: its definition as written (`source`), and the decisions made since. */
export interface ServiceDocument {
  readonly name: string
  /** The last revision that changed this service. */
  readonly revision: number
  /** The definition as people wrote it, defaults not filled in. */
  readonly source: JsonObject
  /** Routing decisions, oldest first; the last one is in force. */
  readonly decisions: readonly Decision[]
  /** By `pool/server`; a server without an entry is ready with its configured weight. */
  readonly servers: Readonly<Record<string, ServerRuntime>>
  /**
   * By pool that lost its share with a deadline: when its requests in flight are cut, ms since the epoch by the store's
   * clock.
   */
  readonly poolCuts: Readonly<Record<string, number>>
  /** Set by commands; absent = its requests are served. */
  readonly mode?: ServiceMode
  /** What routing depends on while a rollout runs; absent = none does. */
  readonly rollout?: ServiceRollout
  /** Absent = its routing may be changed. */
  readonly freeze?: Freeze
}

/** Keeps the routing of a service as it is. */
export type Freeze = {
  readonly by: string
  /** ISO 8601. */
  readonly at: string
  readonly reason: string | null
}

/** The configuration file as last applied; the next file is compared with it. */
export interface AppliedConfiguration {
  readonly hash: string
  readonly services: Readonly<Record<string, JsonObject>>
  /** The file's `configVersion`; absent = it has none. */
  readonly version?: number
  /** Hashes of files applied before this one, oldest first. */
  readonly earlier?: readonly string[]
  /** Services that the file removes or takes hosts or paths from, kept as they were until someone reloads the file. */
  readonly heldBack?: readonly string[]
}

/** A write with an Idempotency-Key that has made a revision. */
export interface KeyedWrite {
  readonly revision: number
  /** Fingerprint of the request: only the same request may be repeated under its key. */
  readonly fingerprint: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

/** A document of a collection as the store keeps it, whatever its kind; see `DocumentKind`. */
export interface StoredDocument {
  /** The last revision that changed it. */
  readonly revision: number
  readonly value: JsonObject
}

/** The whole content of a store at one revision. */
export interface Documents extends StateName {
  readonly configuration: AppliedConfiguration | null
  readonly services: Readonly<Record<string, ServiceDocument>>
  /** Documents of other kinds, by collection and name. No collection is empty; absent = there are none. */
  readonly collections?: Readonly<Record<string, Readonly<Record<string, StoredDocument>>>>
  /** Writes of the last 24 hours by Idempotency-Key. Absent = none. */
  readonly keyed?: Readonly<Record<string, KeyedWrite>>
}

/**
 * Identifies a state. Two states of the same revision are the same only if their heads are equal, too: a store that
 * loses changes in a failover issues their revisions again.
 */
export interface StateName {
  readonly revision: number
  readonly head: string
}

/** A service with its definition resolved. */
export interface Service extends ServiceDocument {
  readonly spec: ServiceSpec
  /**
   * What DNS has found, by `pool/server`; known to this instance alone, and not stored. A name without an entry has not
   * been looked up yet; absent = there are no such names.
   */
  readonly discovered?: Readonly<Record<string, DiscoveredName>>
}

/** The document of a service, without what is only known in memory. */
export function documentOf({ spec: _spec, discovered: _discovered, ...document }: Service): ServiceDocument {
  return document
}

/** The state that control decides commands on. */
export interface State extends Omit<Documents, 'services'> {
  readonly services: Readonly<Record<string, Service>>
}

/**
 * An entry in the history of a service, or of a document of a collection. `from` and `to`: the changed split, server
 * states, weights or definition.
 */
export interface HistoryEntry {
  readonly revision: number
  /** ISO 8601. */
  readonly at: string
  readonly by: string
  readonly reason: string | null
  readonly action: string
  /** The service's name; of a document of a collection, its subject (`documentSubject`). */
  readonly service: string
  readonly from: JsonValue
  readonly to: JsonValue
  readonly forced: boolean
}

/** The change that makes one revision: the changed documents (null = removed) and history entries. */
export interface Change {
  readonly revision: number
  readonly at: string
  readonly services: Readonly<Record<string, ServiceDocument | null>>
  /** Documents of other kinds, by collection and name; null = removed. */
  readonly collections?: Readonly<Record<string, Readonly<Record<string, StoredDocument | null>>>>
  /** The configuration file that this change applies; absent = none. */
  readonly configuration?: AppliedConfiguration
  /** Writes by Idempotency-Key: the one that makes this change, and null for those to forget. */
  readonly keyed?: Readonly<Record<string, KeyedWrite | null>>
  readonly history: readonly HistoryEntry[]
  /** Events of this change, beside those of `history`; absent = none. */
  readonly events?: readonly EventDraft[]
}

export const EMPTY_DOCUMENTS: Documents = { revision: 0, head: '0', configuration: null, services: {} }

/** Returns the documents after a change. `head`: the head of their state; by default its revision. */
export function applyChange(documents: Documents, change: Change, head = String(change.revision)): Documents {
  const { revision, configuration = documents.configuration, keyed } = change
  const services = changed(documents.services, change.services)
  const collections = changedCollections(documents.collections ?? {}, change.collections ?? {})
  return {
    revision,
    head,
    configuration,
    services,
    ...(Object.keys(collections).length === 0 ? {} : { collections }),
    ...(keyed === undefined && documents.keyed === undefined
      ? {}
      : { keyed: changed(documents.keyed ?? {}, keyed ?? {}) }),
  }
}

/** Collections after a change, without those that are empty. */
function changedCollections(
  collections: NonNullable<Documents['collections']>,
  changes: NonNullable<Change['collections']>,
): NonNullable<Documents['collections']> {
  const entries = new Map(Object.entries(collections))
  for (const [name, documents] of Object.entries(changes)) {
    const after = changed(entries.get(name) ?? {}, documents)
    if (Object.keys(after).length === 0) entries.delete(name)
    else entries.set(name, after)
  }
  return Object.fromEntries(entries)
}

/** Returns a record with entries replaced, or removed where the new value is null. */
function changed<T>(
  record: Readonly<Record<string, T>>,
  changes: Readonly<Record<string, T | null>>,
): Readonly<Record<string, T>> {
  const entries = new Map(Object.entries(record))
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) entries.delete(name)
    else entries.set(name, value)
  }
  return Object.fromEntries(entries)
}

/** The split in force. */
export function currentSplit(service: ServiceDocument): Split {
  return service.decisions.at(-1)?.split ?? {}
}
