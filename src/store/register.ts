import type { JsonObject } from '../model/state.ts'

/** The latest record of an instance in the register. */
export interface Sighting {
  readonly id: string
  readonly record: JsonObject
  /** Age of the record by the store's clock, ms. */
  readonly ageMs: number
}

/** Register of the instances that share a store. It passes their records on without interpreting them. */
export interface Register {
  /**
   * Writes the record of instance `id`, and restores those of `lost` that have no record. Resolves with the records of
   * all instances, including this one. The age of the record counts from this call, however late the store receives it.
   * Throws StoreUnavailable; after OutcomeUnknown the record may have been written, or may still be.
   */
  beat(id: string, record: JsonObject, lost?: readonly Sighting[]): Promise<readonly Sighting[]>
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
