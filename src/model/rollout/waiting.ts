import { stepOf } from './moves.ts'
import type { Observation } from './observation.ts'
import type { Rollout } from './rollout.ts'
import { missingFor } from './steps.ts'

/** What a rollout waits for, in words; null = nothing. */
export function waitingFor(
  rollout: Rollout,
  seen: Pick<
    Observation,
    'lagging' | 'canary' | 'stable' | 'minReady' | 'minRequests' | 'nowMs' | 'frozen' | 'slowMs' | 'epoch' | 'measured'
  >,
): string | null {
  const { state, weight, spec, step, stateSinceMs, to } = rollout
  const { lagging, canary } = seen
  const applying = lagging.length === 0 ? null : `${lagging.join(', ')} must apply ${weight} %`
  switch (state) {
    case 'Pending':
      return applying ?? 'an instance must take it on'
    case 'Paused':
      return rollout.detail
    case 'Promoting':
      return applying ?? (weight < 100 ? `${canary.up} of ${canary.of} servers of ${to} are up` : null)
    case 'Watching':
      return `watched until ${new Date(stateSinceMs + spec.watchMs).toISOString()}`
    case 'Aborting':
      return applying
    case 'Initializing':
    case 'Progressing':
      break
    default:
      return null
  }
  const at = stepOf(rollout)
  switch (at?.kind) {
    case 'waitHealthy':
      return `${canary.up} of ${canary.of} servers of ${to} are up, needs ${at.servers ?? canary.of}`
    case 'setWeight':
      return applying ?? `${canary.up} of ${canary.of} servers of ${to} are up, needs ${Math.max(1, seen.minReady)}`
    case 'route':
    case 'mirror':
      return applying
    case 'analysis': {
      const missing = missingFor(rollout, at, seen)
      return missing.length === 0 ? null : missing.join('; ')
    }
    case 'hook':
      return `the hook must answer 2xx; ${step.failures} of ${at.retries + 1} calls have failed`
    case 'healthGate':
      return `${at.path} must answer 2xx; ${step.failures} of ${at.times} requests have failed`
    default:
      return null
  }
}
