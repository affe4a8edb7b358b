import type { LoggedEvent } from './answers.ts'
import type { Caller } from './caller.ts'
import { type EventsOptions, eventsOf, pathOf } from './events.ts'
import { ServerSentMessages } from './server-sent-messages.ts'

/** The newest events that are kept, oldest first, and the position after which the next ones come. */
export interface KeptEvents {
  readonly events: readonly LoggedEvent[]
  /** For `lastEventId`. */
  readonly position: string
}

/** See `Client.keptEvents`. */
export async function keptEventsOf(caller: Caller, last: number, options: EventsOptions): Promise<KeptEvents> {
  const { service, types = [], signal } = options
  const position = await newestId(caller, options)
  const events: LoggedEvent[] = []
  if (position === NONE || last === 0) return { events, position }
  // All are read, since only an event itself tells that the reader has come to it.
  for await (const event of eventsOf(caller, { lastEventId: NONE, signal })) {
    if (!('id' in event)) continue
    const isAsked = (service === undefined || event.service === service) && fits(event.type, types)
    if (isAsked && events.push(event) > last) events.shift()
    if (event.id !== null && !isBefore(event.id, position)) return { events, position }
  }
  signal?.throwIfAborted()
  return { events, position }
}

/** The id that stands before the first event. */
const NONE = '0-0'

/** The id of the newest event: a reader that begins now is told it first. Throws ApiError. */
async function newestId(caller: Caller, options: EventsOptions): Promise<string> {
  const connection = new AbortController()
  const signal = AbortSignal.any([connection.signal, ...(options.signal === undefined ? [] : [options.signal])])
  try {
    const response = await caller.stream(pathOf(options), { headers: { accept: 'text/event-stream' }, signal })
    const messages = new ServerSentMessages()
    for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? [])
      for (const { id } of messages.take(piece)) if (id !== null) return id
    return NONE
  } finally {
    connection.abort()
  }
}

function fits(type: string, types: readonly string[]): boolean {
  const isLike = (wanted: string): boolean =>
    wanted.endsWith('*') ? type.startsWith(wanted.slice(0, -1)) : type === wanted
  return types.length === 0 || types.some(isLike)
}

/** Ids are MILLISECONDS-NUMBER. */
function isBefore(a: string, b: string): boolean {
  const [ms = 0, number = 0] = a.split('-').map(Number)
  const [otherMs = 0, otherNumber = 0] = b.split('-').map(Number)
  return ms < otherMs || (ms === otherMs && number < otherNumber)
}
