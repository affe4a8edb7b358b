import type { EventDraft, EventRecord } from './event-record.ts'
import type { Change, HistoryEntry } from './state.ts'
import { withoutSecrets } from './without-secrets.ts'

/** Max length of `before` and `after` together, as JSON: the log keeps thousands of events in memory. */
const MAX_DETAIL = 4_096

/** An event with null for each member that is not given. */
export function eventRecord(given: Pick<EventRecord, 'type' | 'at'> & Partial<EventRecord>): EventRecord {
  const { before = null, after = null } = given
  const details = { before: withoutSecrets(before), after: withoutSecrets(after) }
  const isLong = JSON.stringify(details).length > MAX_DETAIL
  const { type, at, ...rest } = given
  return {
    type,
    at,
    by: null,
    reason: null,
    service: null,
    pool: null,
    server: null,
    instance: null,
    revision: null,
    action: null,
    forced: false,
    ...rest,
    ...(isLong ? { before: OMITTED, after: OMITTED } : details),
  }
}

/** In the place of details that are too long; the history has them. */
const OMITTED = '(omitted)'

/** The events of a change, in the order of its history. */
export function eventsOf({ history, events = [] }: Change): readonly EventDraft[] {
  return [...history.map(changeEvent), ...events]
}

function changeEvent({ at, by, reason, service, revision, action, from, to, forced }: HistoryEntry): EventDraft {
  // Documents of collections have subjects, which contain a slash.
  const about = service.includes('/') ? {} : { service }
  const how = { revision, action, forced, before: from, after: to }
  return { event: eventRecord({ type: 'change', at, by, reason, ...about, ...how }) }
}

/** Whether a text has the form of an event's id. */
export function isEventId(text: string): boolean {
  return /^\d{1,15}-\d{1,10}$/.test(text)
}
