import type { MirrorRule, RouteRule } from '../traffic-policies.ts'

/** When a worker stops sending requests to a canary on its own. Source: ROLLOUTS.md section 2, `fuse`. */
export type FuseSpec = {
  /** Span of time whose answers count, ms. */
  readonly windowMs: number
  /** Min answers of the canary within the window. */
  readonly minRequests: number
  /** Min share of failures among the answers of the canary, 0 to 1. */
  readonly errorRate: number
  /** With this share of failures among the answers of the stable pool, or more, the canary is not to blame. 0 to 1. */
  readonly stableMax: number
}

/** A rollout as the proxies know it. */
export interface TableRollout {
  readonly id: string
  /** The stable pool. */
  readonly from: string
  /** The canary. */
  readonly to: string
  /** null = off. */
  readonly fuse: FuseSpec | null
}

/** Answers of one pool that a fuse has counted. */
export interface FuseCount {
  readonly answers: number
  readonly failures: number
  /** Failures without a connection. */
  readonly unreachable: number
}

/** The part of a rollout that routing depends on, in the document of its service. */
export type ServiceRollout = {
  readonly id: string
  readonly from: string
  readonly to: string
  readonly fuse: FuseSpec | null
  readonly onStoreLoss: { readonly afterMs: number; readonly action: 'stable' | 'hold' }
  readonly routes: readonly RouteRule[]
  readonly mirror: MirrorRule | null
}
