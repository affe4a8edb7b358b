import type { EventDraft } from '../../src/model/event-record.ts'
import { eventRecord } from '../../src/model/events.ts'
import type { HistoryEntry } from '../../src/model/state.ts'
import { NO_ENTRY } from '../../src/store/entry-ids.ts'
import type { LoggedEvent } from '../../src/store/kept-events.ts'
import type { Store } from '../../src/store/store.ts'

const AT = '2026-11-29T00:00:00.000Z'

/** An event that its `reason` tells from others. */
export function draft(reason: string, more: Partial<EventDraft> = {}): EventDraft {
  return { event: eventRecord({ type: 'health', at: AT, reason, instance: 'a' }), ...more }
}

/** Drafts with the reasons `prefix0`, `prefix1` and so on. */
export function drafts(count: number, prefix = ''): EventDraft[] {
  return Array.from({ length: count }, (_, i) => draft(`${prefix}${i}`))
}

export function historyEntry(revision: number, reason: string): HistoryEntry {
  return {
    ...{ revision, at: AT, by: 'tester', reason, action: 'switch', service: 'shop' },
    ...{ from: { blue: 100 }, to: { green: 100 }, forced: false },
  }
}

/** The events that a store keeps, all of them. */
export function kept({ events }: Store): readonly LoggedEvent[] {
  return events.kept.after(NO_ENTRY, Number.MAX_SAFE_INTEGER)
}

/** What tells them apart. */
export function reasons(events: readonly LoggedEvent[]): (string | null)[] {
  return events.map(({ event }) => event.reason)
}

/** Resolves when the log of a store fits. */
export async function logged(store: Store, isSo: () => boolean): Promise<void> {
  if (isSo()) return
  await new Promise<void>((resolve) => {
    const stop = store.events.subscribe(() => {
      if (!isSo()) return
      stop()
      resolve()
    })
  })
}
