import { ID_COOKIE, type SplitBy } from '../../model/traffic-policies.ts'
import type { Counters, Tally } from '../../telemetry/counters.ts'
import { type Hashed, hashed, rendezvousScore } from './hash.ts'
import { keyOf } from './request-key.ts'
import type { RoutedRequest } from './routed-request.ts'

/** A pool that can be chosen. */
export interface CohortPool {
  readonly name: string
  readonly version: string
  /** Hundredths of a percent. */
  readonly share: number
}

/**
 * The split by client: the hash of a client's key decides its pool, the same in every worker and instance. If the share
 * of one pool rises and the others keep their proportions, clients move only into that pool; at the former split they are
 * back where they were.
 */
export class Cohort<P extends CohortPool> {
  private readonly splitBy: Exclude<SplitBy, 'request'>
  private readonly pools: readonly P[]
  private readonly seeds: readonly Hashed[]
  private readonly given: Tally
  private readonly notGiven: Tally

  /** `pools`: those with a share. */
  constructor(service: string, splitBy: Exclude<SplitBy, 'request'>, pools: readonly P[], counters: Counters) {
    this.splitBy = splitBy
    this.pools = pools
    this.seeds = pools.map(({ name, version }) => hashed(JSON.stringify([service, name, version])))
    this.given = counters.tally('cohorts', service, 'given')
    this.notGiven = counters.tally('cohorts', service, splitBy === 'issuedCookie' ? 'issued' : 'absent')
  }

  /** Hashes the key of a request; null = it has none. `isFirst`: the request is counted. */
  hashOf(request: RoutedRequest, isFirst: boolean): Hashed | null {
    const { splitBy } = this
    const key = splitBy === 'issuedCookie' ? request.cookie(ID_COOKIE) || null : keyOf(splitBy, request)
    if (isFirst) (key === null ? this.notGiven : this.given).add()
    if (key !== null) return hashed(key)
    return splitBy === 'issuedCookie' ? hashed(request.issuedId()) : null
  }

  /** The pool of a client. */
  pick(client: Hashed): P | undefined {
    const { pools } = this
    let best = pools[0]
    if (pools.length < 2) return best
    let bestScore = -1
    for (let i = 0; i < pools.length; i++) {
      const score = this.score(client, i)
      if (score <= bestScore) continue
      bestScore = score
      best = pools[i]
    }
    return best
  }

  /** All pools in the order in which a client goes to them if those before cannot take its requests. */
  order(client: Hashed): readonly P[] {
    const scored = this.pools.map((pool, i) => ({ pool, score: this.score(client, i) }))
    return scored.sort((a, b) => b.score - a.score).map(({ pool }) => pool)
  }

  /**
   * The share of a pool in percent, rounded up to two decimals, from which on a client is in it while the other pools keep
   * their proportions; null = there is no other pool.
   */
  entersAt(client: Hashed, pool: P): number | null {
    const others = this.pools.flatMap((other, i) => (other === pool ? [] : [{ other, score: this.score(client, i) }]))
    const index = this.pools.indexOf(pool)
    if (others.length === 0 || index === -1) return null
    const sum = others.reduce((total, { other }) => total + other.share, 0)
    // Scores are shares divided by a number that only depends on the client and the pool.
    const best = Math.max(...others.map(({ score }) => score)) / sum
    const own = this.score(client, index) / pool.share
    return Math.ceil((best / (best + own)) * 10_000) / 100
  }

  private score(client: Hashed, index: number): number {
    return rendezvousScore(client, this.seeds[index] as Hashed, (this.pools[index] as P).share)
  }
}
