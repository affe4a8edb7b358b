import { evidenceValue } from '../model/rollout/metric-evidence.ts'
import type { Rollout } from '../model/rollout/rollout.ts'
import type { RolloutFigures } from '../telemetry/metrics/rollout-figures.ts'

/** Counts of what rollouts have done at this instance. */
export class RolloutCounts {
  fuseTrips = 0
  taken = 0
  fenced = 0
  private readonly byOutcome = new Map<string, RolloutFigures['ended'][number]>()

  /** A rollout has ended while this instance ran it. */
  ended({ service, state, reason, startedMs, endedMs }: Rollout): void {
    const outcome = state.toLowerCase()
    const why = state === 'Succeeded' ? '' : (reason ?? '')
    const key = [service, outcome, why].join(' ')
    const before = this.byOutcome.get(key)
    const seconds = Math.max(0, (endedMs ?? startedMs) - startedMs) / 1_000
    const count = (before?.count ?? 0) + 1
    this.byOutcome.set(key, { service, outcome, reason: why, count, seconds: (before?.seconds ?? 0) + seconds })
  }

  /** Figures for metrics. `measuredOf`: share of the requests that a canary got in the last seconds, percent. */
  figures(running: readonly Rollout[], measuredOf: (rollout: Rollout) => number | null): RolloutFigures {
    return {
      running: running.map((rollout) => ({
        service: rollout.service,
        id: rollout.id,
        to: rollout.to,
        state: rollout.state,
        reason: rollout.reason ?? '',
        step: Math.min(rollout.step.index + 1, rollout.spec.steps.length),
        steps: rollout.spec.steps.length,
        weight: rollout.weight,
        measured: measuredOf(rollout),
        metrics: rollout.metrics.map(({ name, evidence, threshold }) => ({
          name,
          evidence: evidenceValue(evidence.logs),
          threshold: Math.round(Math.exp(threshold)),
        })),
      })),
      ended: [...this.byOutcome.values()],
      fuseTrips: this.fuseTrips,
      taken: this.taken,
      fenced: this.fenced,
    }
  }
}
