import { own } from './names.ts'
import type { Service, State } from './state.ts'

/** In which services one state differs from another. */
export interface ServiceChanges {
  /** New, or not the very same as before. */
  readonly changed: readonly Service[]
  /** Names of those that are no more. */
  readonly removed: readonly string[]
}

/** What leads from `before` to `after`: a service that stays the same is the same object in both. */
export function serviceChanges(before: State, after: State): ServiceChanges {
  const changed: Service[] = []
  let known = 0
  for (const service of Object.values(after.services)) {
    const earlier = own(before.services, service.name)
    if (earlier !== undefined) known++
    if (earlier !== service) changed.push(service)
  }
  const names = Object.keys(before.services)
  const removed = known === names.length ? [] : names.filter((name) => own(after.services, name) === undefined)
  return { changed, removed }
}
