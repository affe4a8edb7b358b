import type { JsonObject } from '../model/state.ts'

/** What an instance has last said of itself. */
export interface Sighting {
  readonly id: string
  readonly record: JsonObject
  /** How long ago that was, by the store's clock. */
  readonly ageMs: number
}

/** Where the instances that share a store hear of each other. What they say is theirs; the register only passes it on. */
export interface Register {
  /**
   * Says that instance `id` lives, and puts back those of `lost` that there is no record of. Resolves with all there are,
   * itself included. Throws StoreUnavailable.
   */
  beat(id: string, record: JsonObject, lost?: readonly Sighting[]): Promise<readonly Sighting[]>
  /** Tells the others something at once, between two beats. It gets lost while the store is away. */
  report(id: string, progress: JsonObject): void
  /** Calls `listener` with what the others tell between their beats. There is one. */
  onReport(listener: (id: string, progress: JsonObject) => void): void
  /**
   * Puts `departure` in the place of the records of instances that were not heard of for `silentMs`; they stand there until
   * they beat again. Resolves with those where it did. Throws StoreUnavailable.
   */
  strike(ids: readonly string[], departure: JsonObject, silentMs: number): Promise<readonly string[]>
  /** Removes all that there is of instances. Throws StoreUnavailable. */
  forget(ids: readonly string[]): Promise<void>
}
