import type { FastifyInstance } from 'fastify'
import { Type } from 'typebox'
import { quote } from '../../config/problems.ts'
import * as kind from '../../config/schema/kinds.ts'
import { isEventId } from '../../model/events.ts'
import type { AdminContext } from '../context.ts'
import { readTypes } from '../events/event-filter.ts'
import type { EventReaders } from '../events/event-readers.ts'
import { readInput } from '../input.ts'
import { describe } from '../openapi.ts'
import { ApiProblem } from '../problems.ts'
import { requireService } from '../require-service.ts'

const EventsQuery = kind.section(
  {
    service: Type.Optional(kind.text({ description: 'Only events of this service.' })),
    types: kind.text({
      description: 'Only events of these types, with commas between them: change,drain.*; by default all.',
      default: '',
    }),
    lastEventId: kind.text({
      description: 'As the header field Last-Event-ID, which counts before it: go on after this event.',
      default: '',
    }),
  },
  {},
)

/** The events of the fleet, as Server-Sent Events. */
export function eventRoutes(api: FastifyInstance, context: AdminContext, readers: EventReaders): void {
  const schema = describe({
    tag: 'instance',
    summary: 'The events of the fleet as they happen, as Server-Sent Events; resumable with Last-Event-ID',
    query: EventsQuery,
    stream: 'LoggedEvent',
  })
  api.get('/api/events', { schema, exposeHeadRoute: false }, async (request, reply) => {
    const { service, types, lastEventId } = readInput(EventsQuery, request.query)
    const isOfType = readTypes(types)
    if (service !== undefined) requireService(context, service)
    const after = readId(String(request.headers['last-event-id'] ?? '') || lastEventId)
    const stream = readers.add({
      log: context.store.events,
      after,
      fits: (event) => isOfType(event) && (service === undefined || event.service === service),
    })
    reply.header('content-type', 'text/event-stream; charset=utf-8')
    // Proxies on the way must pass events on as they come.
    reply.header('cache-control', 'no-store, no-transform').header('x-accel-buffering', 'no')
    return reply.send(stream)
  })
}

/** Reads the id after which to go on; null = none. Throws 400. */
function readId(given: string): string | null {
  if (given === '') return null
  if (isEventId(given)) return given
  const detail = `Last-Event-ID must be the id of an event, such as 1764374400000-0, not ${quote(given)}; or 0-0 for all that are kept.`
  throw new ApiProblem(400, 'Malformed Last-Event-ID', detail)
}
