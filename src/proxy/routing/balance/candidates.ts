import type { Target } from '../../upstream/target.ts'
import type { Hashed } from '../hash.ts'
import type { RoutedRequest } from '../routed-request.ts'

/** A server of a pool, as seen by a balancing policy. */
export interface Member {
  readonly target: Target
  /** In slow start, the part that it has now. */
  weight: number
  readonly backup: boolean
  /** Hash of its name, for policies that hash. */
  readonly seed: Hashed
  /** Credit for smooth weighted round robin. */
  credit: number
}

/**
 * A balancing policy, which picks one of the usable members. `members` is never empty. `request`: null if no policy of
 * the service looks at requests.
 */
export interface Policy {
  pick(members: readonly Member[], request: RoutedRequest | null): Member
}

/**
 * Returns the members that may get a request: below their limit and not tried before by this request. Servers that have
 * just refused a connection are left out if there is any other.
 */
export function candidates(
  members: readonly Member[],
  tried: readonly Target[] | null,
  now: number,
): readonly Member[] {
  let usable = members
  if (tried !== null) usable = usable.filter((member) => !tried.includes(member.target))
  for (const member of usable) {
    if (member.target.avoidUntil <= now && !member.target.isFull()) continue
    const free = usable.filter(({ target }) => !target.isFull())
    const willing = free.filter(({ target }) => target.avoidUntil <= now)
    return willing.length > 0 ? willing : free
  }
  return usable
}
