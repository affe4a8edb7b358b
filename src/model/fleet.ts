import type { Vitals } from './messages.ts'
import type { StateName } from './state.ts'

/** A process of an instance; SPEC §4. */
export interface ProcessView extends Vitals {
  readonly role: 'control' | 'worker' | 'supervisor'
  readonly appliedRevision: number
  readonly inFlight: number
  readonly connections: number
  /** The process has stopped responding, and is replaced unless it recovers; absent = it responds. */
  readonly hung?: true
}

/** The progress of an instance in applying the state. Published to the fleet at once, whenever it changes. */
export interface InstanceProgress {
  /** Identifies the control process of the instance that reports: a restart makes a new one. */
  readonly boot: string
  /** Grows with every message of this process; a message with a lower number is outdated. */
  readonly sequence: number
  /**
   * The state that all its workers have in force with all its definitions; null = none yet, or a state with local
   * overrides.
   */
  readonly applied: StateName | null
  /** A later state that they have in force except for the definitions of some services; null or absent = there is none. */
  readonly appliedInPart?: AppliedInPart | null
  /** Requests and tunnels in flight by target key, at targets that take no new ones. */
  readonly busy: Readonly<Record<string, number>>
  /** Number of requests and tunnels cut at their deadline so far, by target key. */
  readonly cut: Readonly<Record<string, number>>
  /** The services whose definitions this instance cannot read; absent = it can read all of them. */
  readonly cannotFollow?: Readonly<Record<string, CannotFollow>>
  /** The deploys that wait for their servers, by service; absent = there are none, or its version does not report them. */
  readonly deploys?: Readonly<Record<string, DeployStanding>>
}

/** The progress of a deploy at one instance. */
export interface DeployStanding {
  readonly id: string
  /** Names of its servers that are not up there. */
  readonly notUp: readonly string[]
}

/** A state that is in force except for definitions that wait for their servers. */
export interface AppliedInPart extends StateName {
  readonly handovers: Readonly<Record<string, HandoverRecord>>
}

/** A service whose definition is not in force yet. */
export interface HandoverRecord {
  /** What it waits for, for people: `shop waits for its new servers: b1 is not checked yet`. */
  readonly waitsFor: string
  /** Keys of the targets that it sends new requests to, by its previous definition. */
  readonly serves: readonly string[]
}

/** The way an instance serves a service whose definition it cannot read. */
export interface CannotFollow {
  /** Why the instance cannot read it, for people. */
  readonly problem: string
  /** Keys of the targets that it sends new requests to, by the last readable definition. */
  readonly serves: readonly string[]
}

/** The configuration file that an instance has read. */
export interface FileVersion {
  /** Hash of the file's services. */
  readonly hash: string
  /** The file's `configVersion`; null = it has none. */
  readonly version: number | null
}

/** The configuration file, as its instance reports it to the fleet. */
export interface FileRecord extends FileVersion {
  /** Why the file was not applied at the start or at the last reload. */
  readonly problem?: string
  /** The file has no services: its instance serves those that the others have defined. */
  readonly isEmpty?: boolean
}

/** A local override, as the fleet sees it. */
export interface OverrideView {
  readonly at: string
  readonly by: string
  readonly reason: string | null
  /** The override in short, such as `drain blue1`. */
  readonly what: string
}

/** Health of the store, as an instance sees it. */
export interface StoreStanding {
  readonly status: 'ok' | 'degraded'
  /** The problem, since when, and what to do about it; null = none. */
  readonly detail: string | null
}

/** The record that an instance publishes to the fleet with every heartbeat. */
export interface InstanceRecord extends InstanceProgress {
  readonly id: string
  readonly name: string
  /** The machine it runs on. */
  readonly host: string
  /** URL of its admin API, such as `http://10.0.0.1:9900`; empty = other instances cannot reach it. */
  readonly address: string
  readonly version: string
  readonly startedAt: string
  readonly configuration: FileRecord
  readonly overrides: readonly OverrideView[]
  /** Absent = the instance runs a version that does not report it. */
  readonly store?: StoreStanding
  /** Requests and tunnels in flight by target key; targets without any are left out. */
  readonly inFlight: Readonly<Record<string, number>>
  /** Requests queued, by pool, and held, by service; absent = none. */
  readonly queued?: Readonly<Record<string, number>>
  readonly held?: Readonly<Record<string, number>>
  readonly processes: readonly ProcessView[]
  /**
   * It keeps its progress in the register, and reads that of the others there; absent = its version does not, so that progress
   * must be sent to it.
   */
  readonly keepsProgress?: true
}

/** Replaces the record of an instance in the register once no other instance waits for it. */
export interface Departure {
  readonly leaving: true
  /**
   * `left`: it signed off; `replaced`: another instance has its address; `struck`: a person removed it while it was
   * gone.
   */
  readonly why: 'left' | 'replaced' | 'struck'
  /** The person who removed it, and the reason given; null = not removed by a person, or no reason given. */
  readonly by: string | null
  readonly reason: string | null
}
