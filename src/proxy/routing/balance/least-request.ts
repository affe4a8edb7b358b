import type { Member, Policy } from './candidates.ts'

/**
 * The power of two choices: of two members drawn by weight, picks the one with fewer requests in flight per weight.
 * Source: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001).
 */
export function leastRequest(random: () => number = Math.random): Policy {
  return {
    pick(members) {
      const first = draw(members, null, random)
      if (members.length === 1) return first
      const second = draw(members, first, random)
      return second.target.inFlight * first.weight < first.target.inFlight * second.weight ? second : first
    },
  }
}

function draw(members: readonly Member[], except: Member | null, random: () => number): Member {
  let sum = 0
  for (const member of members) if (member !== except) sum += member.weight
  let at = random() * sum
  let last: Member | undefined
  for (const member of members) {
    if (member === except) continue
    last = member
    at -= member.weight
    if (at < 0) break
  }
  if (last === undefined) throw new Error('no member to pick from')
  return last
}
