import type { Member, Policy } from './candidates.ts'

/**
 * Smooth weighted round robin, as nginx has it: everyone is owed its weight each time, the one owed most is picked and
 * pays the sum. Any prefix of the sequence is within one request of the exact shares.
 */
export const roundRobin: Policy = {
  pick(members) {
    let best: Member | null = null
    let sum = 0
    for (const member of members) {
      member.credit += member.weight
      sum += member.weight
      if (best === null || member.credit > best.credit) best = member
    }
    if (best === null) throw new Error('no member to pick from')
    best.credit -= sum
    return best
  },
}
