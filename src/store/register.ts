import type { JsonObject } from '../model/state.ts'

/** The latest record of an instance in the register. */
export interface Sighting {
  readonly id: string
  readonly record: JsonObject
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
}

/** Register of the instances that share a store. It passes their records on without interpreting them. */
export interface Register {
  /**
   * Writes the record of instance `id`. Resolves with the records of all instances, including this one: as they are now, or
   * as they were when they last changed in what matters. The age of the record counts from this call, however late the
   * store receives it. Throws StoreUnavailable; after OutcomeUnknown the record may have been written, or may still be.
   */
  beat(id: string, record: JsonObject, options?: BeatOptions): Promise<readonly Sighting[]>
  /** Sends progress to the other instances at once, between two beats. It is lost while the store is away. */
  report(id: string, progress: JsonObject): void
  /** Sets the listener for reports of the other instances; there is only one. */
  onReport(listener: (id: string, progress: JsonObject) => void): void
  /**
   * Replaces the records of instances that have not beaten for `silentMs` by `departure`, until they beat again.
   * Resolves with the ids that were replaced. Throws StoreUnavailable.
   */
  strike(ids: readonly string[], departure: JsonObject, silentMs: number): Promise<readonly string[]>
  /** Removes the records of instances. Throws StoreUnavailable. */
  forget(ids: readonly string[]): Promise<void>
}
