import type { EventRecord, OpenedFact } from '../model/event-record.ts'
import { compareIds, NO_ENTRY } from './entry-ids.ts'

/** Number of the newest events that a log keeps at least. Source: SPEC §11. */
export const KEEP_EVENTS = 10_000
/** Events kept beyond that, so that they are dropped many at a time. */
const SLACK = 1_000

/** An event in the log. */
export interface LoggedEvent {
  /** `MS-N`, growing; the same at all instances. */
  readonly id: string
  /** Id of the event before it; `NO_ENTRY` = it is the first of the log. */
  readonly previous: string
  /** Identifies the event before it has an id; empty = it was made by a change. */
  readonly ref: string
  readonly event: EventRecord
  readonly opens?: OpenedFact
  readonly closes?: string
}

/** Something that has begun and not ended. */
export interface OpenFact {
  /** Id of the event with which it began. */
  readonly id: string
  readonly event: EventRecord
  readonly keys: readonly string[]
}

/** The newest events of a log in memory, oldest first, and what has begun and not ended. */
export class KeptEvents {
  #events: LoggedEvent[] = []
  /** Id of the event before the first one that is kept. */
  #before = NO_ENTRY
  readonly #open = new Map<string, OpenFact>()
  /** Number of events added so far. */
  #added = 0

  /** Id of the newest event. */
  get newest(): string {
    return this.#events.at(-1)?.id ?? this.#before
  }

  get all(): readonly LoggedEvent[] {
    return this.#events
  }

  /** What has begun and not ended, by subject. */
  get open(): ReadonlyMap<string, OpenFact> {
    return this.#open
  }

  /** Replaces what has begun and not ended. */
  setOpen(open: ReadonlyMap<string, OpenFact>): void {
    this.#open.clear()
    for (const [subject, fact] of open) this.#open.set(subject, fact)
  }

  /** Adds the next event; if some were missed before it, those that are kept go. Returns whether it is new. */
  add(logged: LoggedEvent): boolean {
    const { id, previous, event, opens, closes } = logged
    if (compareIds(id, this.newest) <= 0) return false
    if (previous !== this.newest) this.clear(previous)
    this.#events.push(logged)
    this.#added += 1
    if (opens !== undefined) this.#open.set(opens.subject, { id, event, keys: opens.keys })
    if (closes !== undefined) this.#open.delete(closes)
    if (this.#events.length > KEEP_EVENTS + SLACK) {
      this.#before = this.#events[SLACK - 1]?.id ?? this.#before
      this.#events = this.#events.slice(SLACK)
    }
    return true
  }

  /** Drops all events; the next one comes after `before`. */
  clear(before: string): void {
    this.#events = []
    this.#before = before
  }

  /** Drops the events after `id`, which the store has lost. */
  dropAfter(id: string): void {
    const end = this.#indexAfter(id)
    if (end === 0) this.clear(id)
    else this.#events = this.#events.slice(0, end)
  }

  /** Whether nothing is missing for a reader whose last event was `id`. */
  isKnown(id: string): boolean {
    return id === this.#before || this.#events[this.#indexAfter(id) - 1]?.id === id
  }

  /** Whether events after `id` were dropped, or `id` is after the newest one: a reader there has missed some. */
  hasPassed(id: string): boolean {
    return compareIds(id, this.#before) < 0 || compareIds(id, this.newest) > 0
  }

  /** The position from which a reader that has missed some events goes on. */
  nearest(id: string): string {
    if (compareIds(id, this.#before) < 0) return this.#before
    return compareIds(id, this.newest) > 0 ? this.newest : id
  }

  /** The first events after `id`, at most `max`. */
  after(id: string, max: number): readonly LoggedEvent[] {
    const start = this.#indexAfter(id)
    return this.#events.slice(start, start + max)
  }

  /** How many events have been added up to `id`. */
  countTo(id: string): number {
    return this.#added - this.countAfter(id)
  }

  /** How many of the events that were added are dropped. */
  get dropped(): number {
    return this.#added - this.#events.length
  }

  /** Number of events after `id`. */
  countAfter(id: string): number {
    return this.#events.length - this.#indexAfter(id)
  }

  /** Index of the first event after `id`. */
  #indexAfter(id: string): number {
    let [low, high] = [0, this.#events.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if (compareIds(this.#events[middle]?.id ?? '', id) <= 0) low = middle + 1
      else high = middle
    }
    return low
  }
}
