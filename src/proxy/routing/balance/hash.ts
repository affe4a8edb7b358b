import type { KeySource } from '../../../model/traffic-policies.ts'
import type { Tally } from '../../../telemetry/counters.ts'
import { hashed, rendezvousScore } from '../hash.ts'
import { keyOf } from '../request-key.ts'
import type { Member, Policy } from './candidates.ts'

/** Max load of a server in relation to the mean, by weight. */
const BOUND = 1.25

/**
 * Sends requests with the same key to the same server. A server more or less moves only its own keys. A server with more
 * than `BOUND` times the mean load passes requests on to the next one in the key's own order, counted in `spilled`.
 * `otherwise`: for requests without a key.
 * Source: rendezvous hashing; the bound is that of Mirrokni, Thorup and Zadimoghaddam, "Consistent Hashing with Bounded
 * Loads" (2016).
 */
export function hash(source: KeySource, otherwise: Policy, spilled: Tally): Policy {
  return {
    pick(members, request) {
      const key = request === null ? null : keyOf(source, request)
      if (key === null) return otherwise.pick(members, request)
      const client = hashed(key)
      let inFlight = 1
      let weight = 0
      for (const member of members) {
        inFlight += member.target.inFlight
        weight += member.weight
      }
      let first: Member | null = null
      let firstScore = -1
      let best: Member | null = null
      let bestScore = -1
      for (const member of members) {
        const score = rendezvousScore(client, member.seed, member.weight)
        if (score > firstScore) {
          firstScore = score
          first = member
        }
        const bound = Math.ceil((BOUND * inFlight * member.weight) / weight)
        if (score <= bestScore || member.target.inFlight >= bound) continue
        bestScore = score
        best = member
      }
      // The bounds add up to more than the load, so a server is below its bound.
      const chosen = best ?? first
      if (chosen === null) throw new Error('no member to pick from')
      if (chosen !== first) spilled.add()
      return chosen
    },
  }
}
