import type { Member, Policy } from './candidates.ts'

/**
 * Smooth weighted round robin by the quota method. With each pick, every member earns its weight as credit. Of the
 * members with positive credit, the one whose next turn is due first is picked and pays the sum of all weights. Any
 * prefix of the sequence is within one request of the exact shares. A member that is left out for a while keeps its
 * credit.
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

/**
 * Compares when the next turns are due, in `(sum - credit) / weight`. On a tie the lighter member, whose turns are
 * rarer, wins.
 */
function isBefore(a: Member, b: Member, sum: number): boolean {
  if (a.credit > 0 !== b.credit > 0) return a.credit > 0
  const difference = (sum - a.credit) * b.weight - (sum - b.credit) * a.weight
  return difference < 0 || (difference === 0 && a.weight < b.weight)
}
