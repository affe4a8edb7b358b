import type { JsonValue } from './json.ts'

/** Types of events, each with what it means. To add one: a line here, and an example in docs/events.md. */
export const EVENT_TYPES = {
  change: 'A change of state by a command or a configuration file.',
  health: 'Health checks of an instance have found a server up or down.',
  ejection: 'An instance has ejected a server since requests failed there, or takes it back.',
  'drain.started': 'A server or pool gets no new requests any more.',
  'drain.finished': 'Nothing is in flight there any more in the whole fleet, or it takes requests again.',
  'instance.joined': 'An instance is part of the fleet.',
  'instance.gone': 'An instance has signed off, or has been silent for too long.',
  'store.away': 'An instance cannot reach the store.',
  'store.back': 'An instance can reach the store again.',
  'version.mismatch': 'Servers of a pool report another version than the pool has.',
  'version.match': 'The servers of the pool report its version again.',
  'certificate.changed': 'A new certificate of a listener is in force at an instance.',
  'certificate.refused': 'The files of a certificate have changed, and cannot be used.',
  'certificate.renewed': 'A certificate was issued by an ACME server.',
  'certificate.failed': 'No certificate was issued by an ACME server; another attempt follows.',
  'worker.died': 'A worker of an instance has ended unexpectedly.',
} as const

/** Prefixes of types that are not listed one by one. */
export const EVENT_FAMILIES = ['rollout.'] as const

export type EventType = keyof typeof EVENT_TYPES | `${(typeof EVENT_FAMILIES)[number]}${string}`

/** Something that has happened. Members that do not apply are null. */
export type EventRecord = {
  readonly type: EventType
  /** ISO 8601, by the clock of the store. */
  readonly at: string
  readonly by: string | null
  readonly reason: string | null
  readonly service: string | null
  readonly pool: string | null
  readonly server: string | null
  /** Name of the instance that it happened at; null = it concerns the fleet. */
  readonly instance: string | null
  /** The revision that the change made. */
  readonly revision: number | null
  /** The command, as in the history. */
  readonly action: string | null
  /** Whether it broke a promise on purpose. */
  readonly forced: boolean
  readonly before: JsonValue
  readonly after: JsonValue
}

/** Something that lasts, begins with one event and ends with another, such as a drain. */
export type OpenedFact = {
  /** Identifies it while it lasts. */
  readonly subject: string
  /** What its end is decided by, such as target keys. */
  readonly keys: readonly string[]
}

/** An event to be logged. */
export type EventDraft = {
  readonly event: EventRecord
  /** What begins with it: it is not logged if that has begun already. */
  readonly opens?: OpenedFact
  /** The subject of what ends with it: it is not logged unless that has begun. */
  readonly closes?: string
}
