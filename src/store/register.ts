import type { JsonObject } from '../model/state.ts'

/** The progress of an instance, as the register keeps it. */
export interface KeptProgress {
  /** See `InstanceProgress`. */
  readonly boot: string
  readonly sequence: number
  /** As `InstanceProgress.cut`; as it is read, only requests that were cut since the reader knows the instance. */
  readonly cut: Readonly<Record<string, number>>
  /** All else of its progress. */
  readonly standing: JsonObject
}

/** The latest record of an instance in the register. */
export interface Sighting {
  readonly id: string
  readonly record: JsonObject
  /**
   * Its progress, which may be newer than its record; null = unknown, since the store may have lost it. Absent = the register does
   * not keep it: the progress is in the record, and in reports.
   */
  readonly progress?: KeptProgress | null
  /** Age of the record by the store's clock, ms. */
  readonly ageMs: number
}

/** How a record is written, and what is read. */
export interface BeatOptions {
  /** Instances without a record, to be restored. */
  readonly lost?: readonly Sighting[]
  /** Changes with what matters of the record to the other instances: they read it again then. Absent = all of it does. */
  readonly mark?: string
  /** Reads all records anew, those that have not changed in what matters included. */
  readonly whole?: boolean
  /** The progress at the time of the record; absent = the register does not keep it. */
  readonly progress?: KeptProgress
  /** Reads all progress as of now. Otherwise, if very much has changed, a part of it is left to the next beats. */
  readonly complete?: boolean
}

/** Handles a message of another instance. `progress`: as in `Sighting`. */
export type ReportListener = (id: string, said: JsonObject, progress?: KeptProgress | null) => void

/** Register of the instances that share a store. It passes their records on without interpreting them. */
export interface Register {
  /**
   * Writes the record of instance `id`. Resolves with the records of all instances, including this one: as they are now, or
   * as they were when they last changed in what matters. The age of the record counts from this call, however late the
   * store receives it. Throws StoreUnavailable; after OutcomeUnknown the record may have been written, or may still be.
   */
  beat(id: string, record: JsonObject, options?: BeatOptions): Promise<readonly Sighting[]>
  /**
   * Writes progress between two beats. `isTold`: it is sent to all other instances at once; otherwise they read it with
   * their beats. It is lost while the store is away, until the next beat.
   */
  report(id: string, progress: KeptProgress, isTold: boolean): void
  /** Sends a record or a departure to all other instances at once. It is lost while the store is away. */
  tell(id: string, said: JsonObject): void
  /** Sets the listener for messages of the other instances; there is only one. */
  onReport(listener: ReportListener): void
  /**
   * Replaces the records of instances that have not beaten for `silentMs` by `departure`, until they beat again.
   * Resolves with the ids that were replaced. Throws StoreUnavailable.
   */
  strike(ids: readonly string[], departure: JsonObject, silentMs: number): Promise<readonly string[]>
  /** Removes the records of instances. Throws StoreUnavailable. */
  forget(ids: readonly string[]): Promise<void>
}
