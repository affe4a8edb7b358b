import type { Vitals } from './messages.ts'
import type { StateName } from './state.ts'

/** A process of an instance; SPEC §4. */
export interface ProcessView extends Vitals {
  readonly role: 'control' | 'worker' | 'supervisor'
  readonly appliedRevision: number
  readonly inFlight: number
  readonly connections: number
  /** It has not responded for a while, and is replaced if it does not come back; absent = it responds. */
  readonly hung?: true
}

/** How far an instance has come. Told to the fleet whenever it changes, at once. */
export interface InstanceProgress {
  /** Which control process of the instance says so. */
  readonly boot: string
  /** Grows with all that this process says: what has a lower one is old. */
  readonly sequence: number
  /** What all its workers have in force; null = nothing yet. */
  readonly applied: StateName | null
  /** Requests and tunnels under way by target key, at targets that take no new ones. */
  readonly busy: Readonly<Record<string, number>>
  /** How many were cut at their deadline so far, by target key. */
  readonly cut: Readonly<Record<string, number>>
  /** By service, where its definition is one that this instance cannot read; absent = it can read all of them. */
  readonly cannotFollow?: Readonly<Record<string, CannotFollow>>
}

/** How an instance stands to a service whose definition it cannot read. */
export interface CannotFollow {
  /** Why it cannot. */
  readonly problem: string
  /** Keys of targets that it sends new requests to, by what was last readable. */
  readonly serves: readonly string[]
}

/** The configuration file that an instance has read. */
export interface FileVersion {
  /** Of its services. */
  readonly hash: string
  /** Its `configVersion`; null = it has none. */
  readonly version: number | null
}

/** The same as its instance tells the fleet. */
export interface FileRecord extends FileVersion {
  /** Why it was not applied at the start, or what was wrong at the last reload. */
  readonly problem?: string
  /** It has no services: its instance serves those of the others. */
  readonly isEmpty?: boolean
}

/** An override as the fleet is shown it. */
export interface OverrideView {
  readonly at: string
  readonly by: string
  readonly reason: string | null
  /** Such as `drain blue1`. */
  readonly what: string
}

/** How the store does, as an instance finds it. */
export interface StoreStanding {
  readonly status: 'ok' | 'degraded'
  /** What is wrong, since when, and what to do; null = nothing. */
  readonly detail: string | null
}

/** What an instance tells the fleet of itself with every heartbeat. */
export interface InstanceRecord extends InstanceProgress {
  readonly id: string
  readonly name: string
  /** The machine it runs on. */
  readonly host: string
  /** Of its admin API: `http://10.0.0.1:9900`; empty = it has none that others could reach. */
  readonly address: string
  readonly version: string
  readonly startedAt: string
  readonly configuration: FileRecord
  readonly overrides: readonly OverrideView[]
  /** Absent = it is of a version that does not say so. */
  readonly store?: StoreStanding
  /** Requests and tunnels under way by target key; those without any are left out. */
  readonly inFlight: Readonly<Record<string, number>>
  readonly processes: readonly ProcessView[]
}

/** What the register keeps of an instance that nothing depends on any more, in the place of its record. */
export interface Departure {
  readonly leaving: true
  /** It has said so; another process is at its place; or a person has struck it off while it was gone. */
  readonly why: 'left' | 'replaced' | 'struck'
  /** The person, and the reason given. */
  readonly by: string | null
  readonly reason: string | null
}
