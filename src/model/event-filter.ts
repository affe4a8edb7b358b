import { EVENT_FAMILIES, EVENT_TYPES, type EventRecord } from './event-record.ts'

/** Returns whether events are of one of `types`, which may end in `*`: `drain.*`. No types = all. */
export function eventFilter(types: readonly string[]): (event: Pick<EventRecord, 'type'>) => boolean {
  if (types.length === 0) return () => true
  return ({ type }) => types.some((pattern) => fits(pattern, type))
}

/** Those of `types` that no event can have. */
export function unknownTypes(types: readonly string[]): readonly string[] {
  return types.filter((pattern) => {
    const isListed = Object.keys(EVENT_TYPES).some((type) => fits(pattern, type))
    const isOfFamily = EVENT_FAMILIES.some((prefix) =>
      isPattern(pattern)
        ? prefix.startsWith(prefixOf(pattern)) || pattern.startsWith(prefix)
        : pattern.startsWith(prefix),
    )
    return !isListed && !isOfFamily
  })
}

function fits(pattern: string, type: string): boolean {
  return isPattern(pattern) ? type.startsWith(prefixOf(pattern)) : type === pattern
}

function isPattern(type: string): boolean {
  return type.endsWith('*')
}

function prefixOf(pattern: string): string {
  return pattern.slice(0, -1)
}
