import type { Deploy } from './deploys.ts'
import type { Refusal } from './refusal.ts'
import type { Rollout } from './rollout/rollout.ts'
import type { ServiceMode } from './service-mode.ts'
import type { HealthSpec, ServerSpec, ServiceSpec, Split } from './spec.ts'
import type { AppliedConfiguration, Change, Freeze, JsonObject, ServerState } from './state.ts'

/** A service definition, as written and with every default resolved. */
export interface Definition {
  readonly source: JsonObject
  readonly spec: ServiceSpec
}

/** A request by a person, a script or a rollout to change the state. */
export type Command =
  /**
   * Moves the whole split to pool `to`; without `to`, to the other one of two pools. After `drainMs`, requests and
   * tunnels that the previous pools still have in flight are cut.
   */
  | { readonly kind: 'switch'; readonly service: string; readonly to?: string; readonly drainMs?: number }
  | { readonly kind: 'shift'; readonly service: string; readonly to: string; readonly percent: number }
  | { readonly kind: 'split'; readonly service: string; readonly split: Split }
  /** Returns to the decision in force at `revision`; without it, to the decision before the current one. */
  | { readonly kind: 'rollback'; readonly service: string; readonly revision?: number }
  /**
   * Changes every server of that name, narrowed by service and pool. `weight`, `maxConnections`: null = as configured.
   */
  | {
      readonly kind: 'server'
      readonly server: string
      readonly service?: string
      readonly pool?: string
      readonly state?: ServerState
      readonly weight?: number | null
      readonly maxConnections?: number | null
    }
  /**
   * Creates or replaces a service; `action` is the name of the request in the history. `leaving`: the definition is as
   * it was, and the request is about this part of the service, which was removed earlier: `pool/` or `pool/server=`.
   */
  | {
      readonly kind: 'define'
      readonly service: string
      readonly definition: Definition
      readonly action: string
      readonly leaving?: string
    }
  | { readonly kind: 'remove'; readonly service: string }
  /** Begins a rollout; `replace`: ends the one that runs. */
  | { readonly kind: 'beginRollout'; readonly service: string; readonly rollout: Rollout; readonly replace: boolean }
  /** Puts the next state of a rollout in place of the current one. */
  | { readonly kind: 'moveRollout'; readonly service: string; readonly rollout: Rollout }
  /** Keeps the routing of a service as it is; null = it may be changed again. */
  | { readonly kind: 'freeze'; readonly service: string; readonly freeze: Freeze | null }
  /** Pauses or stops a service; null = resumes it. */
  | { readonly kind: 'mode'; readonly service: string; readonly mode: ServiceMode | null }
  /**
   * Puts servers into a pool without a share, to be switched to once they are up. `definition`: of the whole service;
   * `replace`: take the place of a deploy that runs.
   */
  | {
      readonly kind: 'beginDeploy'
      readonly service: string
      readonly definition: Definition
      readonly deploy: Deploy
      readonly replace: boolean
    }
  /** Switches to the pool of a deploy; `drainMs` as in `switch`. */
  | { readonly kind: 'finishDeploy'; readonly service: string; readonly id: string; readonly drainMs?: number }
  /** Ends a deploy without a switch. `definition`: the service with the former pool; null = the pool stays as it is. */
  | {
      readonly kind: 'abandonDeploy'
      readonly service: string
      readonly id: string
      readonly definition: Definition | null
    }
  /** Applies a configuration file: `services` are those it changes (null = removes). */
  | {
      readonly kind: 'configure'
      readonly configuration: AppliedConfiguration
      readonly services: Readonly<Record<string, Definition | null>>
    }

/** Metadata of a command: its caller, the reason given, and its preconditions. */
export interface Request {
  readonly by: string
  readonly reason: string | null
  /** Overrides `unsafe` refusals. */
  readonly force: boolean
  /** The revision that the caller has seen; null = any. */
  readonly ifMatch: number | null
  /** The Idempotency-Key, and a fingerprint of the request made under it. */
  readonly idempotency?: { readonly key: string; readonly fingerprint: string }
}

/** Inputs of a decision besides the state. */
export interface Facts {
  /** Milliseconds since the epoch, by the store's clock. */
  readonly nowMs: number
  /** 256 random bits in base64url, other ones for each decision; sealed as the key of sticky cookies if there is a secret. */
  readonly secret: string
  /**
   * Whether health checks have found this target up, and it is not ejected. A target that is not in the state yet is up
   * if another target with the same address and the same checks is.
   */
  isUp(key: string, server: ServerSpec, spec: HealthSpec): boolean
  /** Describes the health of this target for people, with the error of its last check: `down (status 503)`. */
  describeHealth(key: string, server: ServerSpec, spec: HealthSpec): string
  /** Keys of servers that were removed and still have requests in flight in the fleet; absent = none. */
  readonly leaving?: readonly string[]
}

export type Outcome =
  | { readonly kind: 'change'; readonly change: Change }
  | { readonly kind: 'unchanged' }
  /** The same request was made before under the same Idempotency-Key, and made this revision. */
  | { readonly kind: 'repeated'; readonly revision: number }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
