import type { RouteRule } from '../traffic-policies.ts'
import { hasEnded, type Rollout } from './rollout.ts'
import type { ServiceRollout } from './table-rollout.ts'

/** What routing depends on while the canary may get requests; null = it gets none any more. */
export function serviceRollout(rollout: Rollout): ServiceRollout | null {
  if (hasEnded(rollout) || rollout.state === 'Aborting') return null
  const { id, from, to, spec, routes, mirror } = rollout
  const rules = spec.steps.flatMap((step): RouteRule[] => {
    if (step.kind !== 'route' || !routes.includes(step.name)) return []
    return [{ name: step.name, match: step.match, to, onUnavailable: 'split', rollout: id }]
  })
  const copies = mirror === null ? null : { ...mirror, to, rollout: id }
  return { id, from, to, fuse: spec.fuse, onStoreLoss: spec.onStoreLoss, routes: rules, mirror: copies }
}
