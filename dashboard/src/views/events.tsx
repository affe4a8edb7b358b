import { signal } from '@preact/signals'
import type { SeenEvent } from '../../../src/client/create-client.ts'
import { dateTime } from '../format.ts'
import { events } from '../live/live.ts'
import { useResource } from '../live/resource.ts'
import { client } from '../live/session.ts'
import { changeLines } from '../parts/change-text.ts'
import { Crumbs } from '../parts/crumbs.tsx'
import { SearchField } from '../parts/search-field.tsx'
import { linkTo } from '../route.ts'

/** Events from before the page was opened. */
const BEFORE = 200
const MAX_ROWS = 300
const query = signal('')

/** What has happened, newest first; new events come in at the top. */
export function EventsView({ service }: { service: string | null }) {
  const kept = useResource(
    async (signal) => client.value.keptEvents(BEFORE, { signal, ...(service === null ? {} : { service }) }),
    [service],
  )
  const wanted = query.value.trim().toLowerCase()
  const shown = merged(events.value, kept.value?.events.toReversed() ?? [])
    .filter((event) => service === null || event.type === 'gap' || ('service' in event && event.service === service))
    .filter((event) => wanted === '' || JSON.stringify(event).toLowerCase().includes(wanted))
    .slice(0, MAX_ROWS)
  return (
    <>
      <header class="view-head">
        {service !== null && <Crumbs service={service} />}
        <h1 tabIndex={-1}>{service === null ? 'Events' : `Events of ${service}`}</h1>
        <SearchField label="Search events" placeholder="Search: type, name, author, reason" query={query} />
      </header>
      {kept.error !== null && <p class="refusal">{kept.error.message}</p>}
      {shown.length === 0 && <p class="nothing">{wanted === '' ? 'Nothing has happened yet.' : 'No event matches.'}</p>}
      <ol class="events" aria-label="Events">
        {shown.map((event) => (
          <EventRow key={keyOf(event)} event={event} />
        ))}
      </ol>
    </>
  )
}

function EventRow({ event }: { event: SeenEvent }) {
  if (event.type === 'gap' || !('at' in event)) {
    return <li class="gap-event">Events were missed here: the log has not kept them.</li>
  }
  const { type, at, by, reason, service, pool, server, instance, action, forced, before, after } = event
  const about = [service, pool, server].filter((name) => name !== null).join(' / ')
  const lines = linesOf(event, before, after)
  return (
    <li>
      <time dateTime={at} class="muted">
        {dateTime(at)}
      </time>
      <span>
        <b>{action === null ? type : `${type}: ${action}`}</b>
        {forced && <span class="bad-text"> forced</span>}{' '}
        {service === null ? about : <a href={linkTo('services', service)}>{about}</a>}
        <span class="muted">
          {by === null ? '' : ` by ${by}`}
          {instance === null ? '' : ` at ${instance}`}
        </span>
        {reason !== null && <q>{reason}</q>}
        {lines.length > 0 && <span class="event-lines">{lines.slice(0, 6).join(' · ')}</span>}
      </span>
    </li>
  )
}

const known = new WeakMap<SeenEvent, readonly string[]>()

/** What an event has changed; events do not change, and are shown again and again. */
function linesOf(event: SeenEvent, before: unknown, after: unknown): readonly string[] {
  const found = known.get(event) ?? changeLines({ from: before ?? null, to: after ?? null })
  known.set(event, found)
  return found
}

/** The events that have come in, and those from before them; each once. */
function merged(recent: readonly SeenEvent[], before: readonly SeenEvent[]): readonly SeenEvent[] {
  const shown = new Set(recent.map(keyOf))
  return [...recent, ...before.filter((event) => !shown.has(keyOf(event)))]
}

function keyOf(event: SeenEvent): string {
  if (!('at' in event)) return `gap ${event.after}`
  return event.id ?? `${event.at} ${event.type} ${event.instance}`
}
