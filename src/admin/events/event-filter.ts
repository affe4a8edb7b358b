import { quote, suggestion } from '../../config/problems.ts'
import { eventFilter, unknownTypes } from '../../model/event-filter.ts'
import { EVENT_FAMILIES, EVENT_TYPES, type EventRecord } from '../../model/event-record.ts'
import { ApiProblem } from '../problems.ts'

/** Reads `types=` of a query: types and patterns with a comma between them; empty = all. Throws 400 for unknown ones. */
export function readTypes(given: string): (event: EventRecord) => boolean {
  const types = given.split(',').filter((each) => each !== '')
  const [unknown] = unknownTypes(types)
  if (unknown === undefined) return eventFilter(types)
  const known = [...Object.keys(EVENT_TYPES), ...EVENT_FAMILIES.map((prefix) => `${prefix}*`)]
  const hint = suggestion(unknown, known).replace(/^; d/, ' D')
  const detail = `There is no type of event ${quote(unknown)}.${hint} Known: ${known.join(', ')}; patterns such as drain.* are possible.`
  throw new ApiProblem(400, 'Unknown type of event', detail, { known })
}
