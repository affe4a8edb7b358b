import { own } from './names.ts'
import type { Service, State } from './state.ts'
import { stickyKeyOf } from './sticky-key.ts'

/** The services in which one state differs from another. */
export interface ServiceChanges {
  /** Services that are new or changed. */
  readonly changed: readonly Service[]
  /** Names of services that were removed. */
  readonly removed: readonly string[]
}

/**
 * Compares two states by object identity: an unchanged service must be the same object in both. A service with `sticky`
 * changes with the key of the cookies, too.
 */
export function serviceChanges(before: State, after: State): ServiceChanges {
  const changed: Service[] = []
  const isSameKey = stickyKeyOf(before) === stickyKeyOf(after)
  let known = 0
  for (const service of Object.values(after.services)) {
    const earlier = own(before.services, service.name)
    if (earlier !== undefined) known++
    if (earlier !== service || (!isSameKey && service.spec.traffic.sticky !== null)) changed.push(service)
  }
  const names = Object.keys(before.services)
  const removed = known === names.length ? [] : names.filter((name) => own(after.services, name) === undefined)
  return { changed, removed }
}
