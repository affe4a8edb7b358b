import type { ServiceSpec, Split } from './spec.ts'

export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** Set by people. */
export type ServerState = 'ready' | 'drain' | 'maint'
/** Found by checks; `ejected`: up by those, but requests have failed there. */
export type Health = 'unknown' | 'up' | 'down' | 'ejected'

/** What people have said of a server at run time; survives reloads and restarts as long as the name exists. */
export interface ServerRuntime {
  readonly state: ServerState
  /** Overrides the configured weight; null = as configured. */
  readonly weight: number | null
  /** Overrides the service's `connections.perServer`; absent = as configured. */
  readonly maxConnections?: number
  /** When what is still under way is cut (ms since the epoch, by the store's clock); null = never. Set with `drain` and `maint`. */
  readonly cutAt: number | null
}

/** A routing decision and the revision that made it. */
export interface Decision {
  readonly revision: number
  readonly split: Split
}

/** One service as the store keeps it: what was written (`source`) and what was decided since. */
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
  /** Pools that lost their share with a deadline: when what they still have under way is cut (ms since the epoch, by the store's clock). */
  readonly poolCuts: Readonly<Record<string, number>>
}

/** The configuration file as last applied: what the next one is compared with. */
export interface AppliedConfiguration {
  readonly hash: string
  readonly services: Readonly<Record<string, JsonObject>>
  /** The file's `configVersion`, where it has one. */
  readonly version?: number
  /** Hashes of files applied before this one, oldest first. */
  readonly earlier?: readonly string[]
  /** Services that the file removes or takes hosts or paths from, and that stand until somebody reloads it. */
  readonly heldBack?: readonly string[]
}

/** A write that came with an Idempotency-Key and has made a revision. */
export interface KeyedWrite {
  readonly revision: number
  /** What was asked for: under one key, only the same may be asked again. */
  readonly fingerprint: string
  /** Milliseconds since the epoch. */
  readonly atMs: number
}

/** Everything a store keeps, at one revision. */
export interface Documents extends StateName {
  readonly configuration: AppliedConfiguration | null
  readonly services: Readonly<Record<string, ServiceDocument>>
  /** By key; those of the last day. Absent = none. */
  readonly keyed?: Readonly<Record<string, KeyedWrite>>
}

/**
 * Which state it is. Two states with the same revision are the same if their heads are, too: a store that loses changes
 * in a fail-over gives their revisions out anew.
 */
export interface StateName {
  readonly revision: number
  readonly head: string
}

/** A service with its definition resolved. */
export interface Service extends ServiceDocument {
  readonly spec: ServiceSpec
}

/** What the control half decides upon. */
export interface State extends Omit<Documents, 'services'> {
  readonly services: Readonly<Record<string, Service>>
}

/** One line of a service's history. `from` and `to` tell what changed: splits, server states, weights, definitions. */
export interface HistoryEntry {
  readonly revision: number
  /** ISO 8601. */
  readonly at: string
  readonly by: string
  readonly reason: string | null
  readonly action: string
  readonly service: string
  readonly from: JsonValue
  readonly to: JsonValue
  readonly forced: boolean
}

/** One revision: the documents it leaves behind (null = removed) and what it writes into the history. */
export interface Change {
  readonly revision: number
  readonly at: string
  readonly services: Readonly<Record<string, ServiceDocument | null>>
  /** Present where this change applied a configuration file. */
  readonly configuration?: AppliedConfiguration
  /** Writes with an Idempotency-Key: the one that made this change, and null for those that are over a day old. */
  readonly keyed?: Readonly<Record<string, KeyedWrite | null>>
  readonly history: readonly HistoryEntry[]
}

export const EMPTY_DOCUMENTS: Documents = { revision: 0, head: '0', configuration: null, services: {} }

/** The documents after a change. `head`: what their state is called; by default its revision says it all. */
export function applyChange(documents: Documents, change: Change, head = String(change.revision)): Documents {
  const { revision, configuration = documents.configuration, keyed } = change
  const services = changed(documents.services, change.services)
  return {
    revision,
    head,
    configuration,
    services,
    ...(keyed === undefined && documents.keyed === undefined
      ? {}
      : { keyed: changed(documents.keyed ?? {}, keyed ?? {}) }),
  }
}

/** A record with some entries replaced, and those removed that are null. */
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
