/** Figures of the rollouts. */
export interface RolloutFigures {
  /** Those that run. */
  readonly running: readonly {
    readonly service: string
    readonly id: string
    readonly to: string
    readonly state: string
    readonly reason: string
    /** From 1. */
    readonly step: number
    readonly steps: number
    /** Percent. */
    readonly weight: number
    /** Share of the requests that the canary got in the last seconds, percent; null = there were none. */
    readonly measured: number | null
    readonly metrics: readonly { readonly name: string; readonly evidence: number; readonly threshold: number }[]
  }[]
  /** Rollouts that have ended while this instance ran them. */
  readonly ended: readonly {
    readonly service: string
    readonly outcome: string
    readonly reason: string
    readonly count: number
    readonly seconds: number
  }[]
  /** Fuses that have tripped here. */
  readonly fuseTrips: number
  /** How often this instance has begun to run a rollout. */
  readonly taken: number
  /** Writes that were refused since another instance runs the rollout. */
  readonly fenced: number
}
