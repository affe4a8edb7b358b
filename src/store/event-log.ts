import type { EventDraft, EventRecord } from '../model/event-record.ts'
import type { KeptEvents } from './kept-events.ts'
import { rethrowAsync } from './rethrow-async.ts'

/** An event of this instance that the log does not have yet, since the store is away. */
export interface EarlyEvent {
  readonly ref: string
  readonly event: EventRecord
}

/** `early`: an event without an id; null = the log has changed. */
export type EventListener = (early: EarlyEvent | null) => void

/** The log of events, the same at all instances that share the store. The events of a change are logged with it. */
export interface EventLog {
  /** The newest events; empty until `whenLoaded` resolves. */
  readonly kept: KeptEvents
  /** Events of this instance that the log does not have, since too many waited for the store. */
  readonly dropped: number
  /** Resolves when the log has been read. */
  whenLoaded(): Promise<void>
  /** Adds events in order; those that the store cannot take yet wait, in a limited number. */
  append(drafts: readonly EventDraft[]): void
  subscribe(listener: EventListener): () => void
  /** The position of a reader that several instances share; null = it has none. Throws StoreUnavailable. */
  cursor(name: string): Promise<string | null>
  /**
   * Sets that position. Returns false if it was set in a later `epoch`, that of the reader's lease. Throws
   * StoreUnavailable.
   */
  moveCursor(name: string, id: string, epoch: number): Promise<boolean>
}

/** The listeners of a log. */
export class EventListeners {
  readonly #listeners = new Set<EventListener>()

  subscribe(listener: EventListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  tell(early: EarlyEvent | null = null): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(early)
      } catch (error) {
        rethrowAsync(error)
      }
    }
  }
}
