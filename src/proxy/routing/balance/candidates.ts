import type { Target } from '../../upstream/target.ts'

/** A server of a pool, as a balancing policy sees it. */
export interface Member {
  readonly target: Target
  readonly weight: number
  /** Smooth weighted round robin: how much this member is owed. */
  credit: number
}

/** A way to choose one of the members that may be used. `members` is never empty. */
export interface Policy {
  pick(members: readonly Member[]): Member
}

/**
 * The members that may get a request: open, up, of positive weight, below their limit, and not tried before by this
 * request. Servers that have just refused a connection are left out as long as there is another.
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
