import { EVENT_TYPES } from '../../model/event-record.ts'
import { flag, instant, object, text } from '../schema-parts.ts'

const orNull = (what: string) => ({ type: ['string', 'null'], description: what })
const detail = (what: string) => ({
  description: `${what}; docs/events.md says what each type has here. (omitted) = too long.`,
})
const types = Object.entries(EVENT_TYPES).map(([type, meaning]) => `${type}: ${meaning}`)

/** Schema of the data of an event. */
export const event = {
  ...object({
    id: orNull('Grows, and is the same at all instances; null = the store is away, and it gets its id later.'),
    type: { ...text, description: `${types.join(' ')} rollout.*: a step of a rollout.` },
    at: { ...instant, description: 'By the clock of the store.' },
    by: orNull('Name of the token, as in the history.'),
    reason: orNull('Given by a person, or found by the instance.'),
    service: orNull('Name of the service that it concerns.'),
    pool: orNull('Name of the pool.'),
    server: orNull('Name of the server; null = the whole pool.'),
    instance: orNull('Name of the instance that it happened at; null = it concerns the fleet.'),
    revision: { type: ['integer', 'null'], minimum: 0, description: 'The revision of the change.' },
    action: orNull('The command, as in the history.'),
    forced: { ...flag, description: 'Whether it broke a promise on purpose.' },
    before: detail('What was before'),
    after: detail('What is after it'),
  }),
  description: 'A reader that has missed events gets an event gap first: {"type": "gap", "after", "next"}.',
}
