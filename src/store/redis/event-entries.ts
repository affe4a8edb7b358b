import type { EventDraft, EventRecord } from '../../model/event-record.ts'
import { isFields } from '../../model/shape.ts'
import type { LoggedEvent, OpenFact } from '../kept-events.ts'
import { parseJson } from '../shape.ts'

/** Arguments of scripts for an event: JSON, subject that it opens, keys of that, subject that it closes. */
export function eventArguments({ event, opens, closes = '' }: EventDraft): string[] {
  return [JSON.stringify(event), opens?.subject ?? '', JSON.stringify(opens?.keys ?? []), closes]
}

/** Reads an entry of the stream of events; null = unreadable. */
export function readEvent(id: string, fields: ReadonlyMap<string, string>): LoggedEvent | null {
  const event = parseJson(fields.get('event') ?? '')
  if (!isEvent(event)) return null
  const [subject = '', closes = ''] = [fields.get('opens'), fields.get('closes')]
  const keys = parseJson(fields.get('keys') ?? '')
  return {
    id,
    previous: fields.get('previous') ?? '',
    ref: fields.get('ref') ?? '',
    event,
    ...(subject !== '' && { opens: { subject, keys: isTexts(keys) ? keys : [] } }),
    ...(closes !== '' && { closes }),
  }
}

/** Reads the hash of what has begun and not ended. */
export function readOpen(entries: Readonly<Record<string, string>>): ReadonlyMap<string, OpenFact> {
  const facts = Object.entries(entries).flatMap(([subject, json]): [string, OpenFact][] => {
    const fact = parseJson(json)
    if (!isFields(fact) || typeof fact.id !== 'string' || !isEvent(fact.event) || !isTexts(fact.keys)) return []
    return [[subject, { id: fact.id, event: fact.event, keys: fact.keys }]]
  })
  return new Map(facts)
}

function isEvent(value: unknown): value is EventRecord {
  return isFields(value) && typeof value.type === 'string' && typeof value.at === 'string'
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}
