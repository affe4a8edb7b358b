import type { Member, Policy } from './candidates.ts'

/**
 * Smooth weighted round robin, by the quota method: everyone is owed its weight each time; of those who are owed
 * anything, the one whose next turn is due first is picked and pays the sum. Any prefix of the sequence is within one
 * request of the exact shares. A member that is left out for a while is owed as much afterwards as before.
 * Source: Balinski and Young, "The Quota Method of Apportionment" (1975).
 */
export const roundRobin: Policy = {
  pick(members) {
    let sum = 0
    for (const member of members) {
      member.credit += member.weight
      sum += member.weight
    }
    let best: Member | null = null
    for (const member of members) if (best === null || isBefore(member, best, sum)) best = member
    if (best === null) throw new Error('no member to pick from')
    best.credit -= sum
    return best
  },
}

/** A member's next turn is due in `(sum - credit) / weight`; of two due at once, the lighter one has waited longer. */
function isBefore(a: Member, b: Member, sum: number): boolean {
  if (a.credit > 0 !== b.credit > 0) return a.credit > 0
  const difference = (sum - a.credit) * b.weight - (sum - b.credit) * a.weight
  return difference < 0 || (difference === 0 && a.weight < b.weight)
}
