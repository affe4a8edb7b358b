import type { LastProbe } from '../../health/check.ts'
import type { Refusal } from '../../model/refusal.ts'
import type { Server } from '../../model/servers.ts'
import type { Health } from '../../model/state.ts'
import type { Done } from '../controller.ts'

/** A server of a deploy that is not up everywhere. */
export interface NotUp {
  readonly server: Server
  /** As found by this instance. */
  readonly health: Health
  readonly last: LastProbe | null
  /** Names of the instances at which it is not up. */
  readonly at: readonly string[]
  /** Why it does not count as up, for people: `green1 is down (status 503)`. */
  readonly why: string
}

export interface DeployFailure {
  /**
   * `late`: not all servers were up in time; `replaced`: by another deploy; `ended`: by another request; `refused`: the switch
   * was; `store`: it does not take the switch; `stopping`: this instance is.
   */
  readonly why: 'late' | 'replaced' | 'ended' | 'refused' | 'store' | 'stopping'
  readonly detail: string
  readonly notUp?: readonly NotUp[]
}

export type DeployOutcome =
  /** Nothing was begun. */
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  | {
      readonly kind: 'done'
      readonly result: Done
      readonly pool: string
      readonly version: string
      /** The pools that had a share before. */
      readonly from: readonly string[]
      /** Time until all servers were up, ms; null = an earlier request with the same Idempotency-Key waited for them. */
      readonly healthyMs: number | null
    }
  | {
      readonly kind: 'failed'
      readonly failure: DeployFailure
      readonly pool: string
      /** The revision after it. */
      readonly revision: number
      /** What became of the pool, for people. */
      readonly aftermath: string
    }
