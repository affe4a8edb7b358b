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
  /** Says that instance `id` lives. Resolves with all there are, itself included. Throws StoreUnavailable. */
  beat(id: string, record: JsonObject): Promise<readonly Sighting[]>
  /** Tells the others something at once, between two beats. It gets lost while the store is away. */
  report(id: string, progress: JsonObject): void
  /** Calls `listener` with what the others tell between their beats. There is one. */
  onReport(listener: (id: string, progress: JsonObject) => void): void
  /** Strikes instances off. Throws StoreUnavailable. */
  strike(ids: readonly string[]): Promise<void>
}
