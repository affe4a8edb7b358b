import type { EventRecord } from '../../src/model/event-record.ts'
import { eventRecord } from '../../src/model/events.ts'
import { EventListeners, type EventLog } from '../../src/store/event-log.ts'
import { KeptEvents } from '../../src/store/kept-events.ts'

/** A log of events in memory alone, with ids `1-0`, `2-0` and so on. */
export class MemoryLog implements EventLog {
  readonly kept = new KeptEvents()
  readonly dropped = 0
  readonly cursors = new Map<string, string>()
  readonly listeners = new EventListeners()
  private count = 0

  whenLoaded(): Promise<void> {
    return Promise.resolve()
  }

  append(): void {}

  subscribe(listener: Parameters<EventLog['subscribe']>[0]): () => void {
    return this.listeners.subscribe(listener)
  }

  async cursor(name: string): Promise<string | null> {
    return this.cursors.get(name) ?? null
  }

  async moveCursor(name: string, id: string): Promise<boolean> {
    this.cursors.set(name, id)
    return true
  }

  /** Adds events whose reasons are their numbers. `ref`: that of each. */
  add(number: number, ref = ''): void {
    for (let i = 0; i < number; i++) {
      const event = this.event(`${++this.count}`)
      this.kept.add({ id: `${this.count}-0`, previous: this.kept.newest, ref, event })
    }
    this.listeners.tell()
  }

  event(reason: string): EventRecord {
    return eventRecord({ type: 'health', at: '2026-11-29T00:00:00.000Z', reason })
  }
}
