import type { Refusal } from './refusal.ts'
import type { HealthSpec, ServerSpec, ServiceSpec, Split } from './spec.ts'
import type { AppliedConfiguration, Change, JsonObject, ServerState } from './state.ts'

/** A definition as written and as resolved. */
export interface Definition {
  readonly source: JsonObject
  readonly spec: ServiceSpec
}

/** What people (and scripts, and rollouts) ask for. */
export type Command =
  /** The whole split to one pool; without `to`, to the other one of two. `drainMs`: cut what the old pools still do then. */
  | { readonly kind: 'switch'; readonly service: string; readonly to?: string; readonly drainMs?: number }
  | { readonly kind: 'shift'; readonly service: string; readonly to: string; readonly percent: number }
  | { readonly kind: 'split'; readonly service: string; readonly split: Split }
  /** Back to the decision in force at `revision`; without it, to the one before this. */
  | { readonly kind: 'rollback'; readonly service: string; readonly revision?: number }
  /** Every server of that name, narrowed by service and pool. `weight` and `maxConnections`: null = as configured. */
  | {
      readonly kind: 'server'
      readonly server: string
      readonly service?: string
      readonly pool?: string
      readonly state?: ServerState
      readonly weight?: number | null
      readonly maxConnections?: number | null
    }
  /** Creates or replaces a service; `action` names what was asked for in the history. */
  | { readonly kind: 'define'; readonly service: string; readonly definition: Definition; readonly action: string }
  | { readonly kind: 'remove'; readonly service: string }
  /** A configuration file: the services it changes (null = removes). */
  | {
      readonly kind: 'configure'
      readonly configuration: AppliedConfiguration
      readonly services: Readonly<Record<string, Definition | null>>
    }

/** Who asks, why, and how insistently. */
export interface Request {
  readonly by: string
  readonly reason: string | null
  readonly force: boolean
  /** The revision that the caller has seen; null = whatever it is now. */
  readonly ifMatch: number | null
  /** An Idempotency-Key, and what is asked for under it. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: string }
}

/** What a decision needs to know beside the state. */
export interface Facts {
  /** Milliseconds since the epoch, by the store's clock. */
  readonly nowMs: number
  /**
   * Whether checks have found this target up, and it is not ejected. One that is not in the state yet is up if its
   * address is, by the same checks.
   */
  isUp(key: string, server: ServerSpec, spec: HealthSpec): boolean
}

export type Outcome =
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'unchanged' }
  /** The same was asked for before under the same Idempotency-Key, and has made this revision. */
  | { readonly kind: 'repeated'; readonly revision: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
