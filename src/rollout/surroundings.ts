import type { Control } from '../control/control.ts'
import type { Fleet } from '../control/fleet/fleet.ts'
import { isUsable } from '../control/readiness.ts'
import { onDuty } from '../model/backups.ts'
import { describeFreeze, isUnfrozen } from '../model/freezing.ts'
import { own } from '../model/names.ts'
import type { Observation, PoolHealth } from '../model/rollout/observation.ts'
import type { Rollout } from '../model/rollout/rollout.ts'
import { serversOf } from '../model/servers.ts'
import { shareOf } from '../model/split.ts'
import type { Service } from '../model/state.ts'
import type { Figures } from '../telemetry/ticks/figures.ts'
import { Figure, Figures as Sums } from '../telemetry/ticks/figures.ts'
import { pairsOf } from '../telemetry/ticks/merge-rows.ts'
import type { Span } from '../telemetry/ticks/tick-history.ts'
import { autoThreshold } from './judge/latency.ts'
import { countsOf } from './side-counts.ts'

/** Span whose failures tell whether the stable pool is well, s. */
const STABLE_SECONDS = 30
/** Share of failures at which the stable pool is not well, and below which it is well again. */
const BAD_SHARE = 0.05
const GOOD_SHARE = 0.025
const MIN_REQUESTS = 20
/** Span of the share of requests that is shown, s. */
const MEASURED_SECONDS = 10
/** Span of the warm-up, s, and the min number of requests for its 95th percentile. */
const WARM_UP_SECONDS = 60
const MIN_WARM_UP = 100

type Known = Pick<Control, 'state' | 'health' | 'drains' | 'ticks' | 'controller'>

/** What this instance knows of the servers, instances and figures around a rollout. */
export class Surroundings {
  private readonly control: Known
  private readonly fleet: Pick<Fleet, 'live'>

  constructor(control: Known, fleet: Pick<Fleet, 'live'>) {
    this.control = control
    this.fleet = fleet
  }

  /** Number of instances that are alive. */
  get instances(): number {
    return this.fleet.live().length + 1
  }

  service(name: string): Service | undefined {
    return own(this.control.state.services, name)
  }

  health(service: Service, pool: string): PoolHealth {
    const servers = serversOf(service, pool).filter(({ closed }) => closed === undefined)
    const isChecked = service.spec.health !== null
    const usable = servers.filter((server) => isUsable(this.control, server))
    const open = servers.filter(({ state, weight }) => state === 'ready' && weight > 0)
    return { up: onDuty(isChecked ? usable : open).length, of: open.filter(({ backup }) => !backup).length }
  }

  /** What the reducer needs to know beside counts, measurements and calls. */
  observe(rollout: Rollout): Pick<Observation, 'lagging' | 'canary' | 'stable' | 'minReady' | 'frozen' | 'slowMs'> {
    const service = this.service(rollout.service)
    if (service === undefined) return GONE
    return {
      lagging: this.control.drains.lagging(service),
      canary: this.health(service, rollout.to),
      stable: this.health(service, rollout.from),
      minReady: service.spec.minReady,
      frozen:
        service.freeze === undefined || isUnfrozen(service.freeze, rollout) ? null : describeFreeze(service.freeze),
      slowMs: this.slowMs(rollout),
    }
  }

  /** Figures of a pool over the last seconds, whichever decision has routed its requests. */
  figures(service: string, pool: string, seconds: number): Figures {
    const history = this.control.ticks.fleet
    const span: Span = { from: Math.max(history.begin, history.end - seconds), to: history.end }
    const sums = new Sums()
    history.sum(span, (row) => (row.service === service && row.pool === pool ? sums : null))
    return sums
  }

  /** Whether so many requests fail at the stable pool that a comparison says nothing. */
  isStableBad({ service, from, reason }: Rollout): boolean {
    const { counts } = this.figures(service, from, STABLE_SECONDS)
    const tries = counts[Figure.tries] as number
    const share = tries === 0 ? 0 : (counts[Figure.failures] as number) / tries
    return tries >= MIN_REQUESTS && share >= (reason === 'BaselineDegraded' ? GOOD_SHARE : BAD_SHARE)
  }

  /**
   * Share of the requests that the canary got in the last seconds by the decision in force, percent; null = there were
   * none.
   */
  measuredShare(rollout: Rollout): number | null {
    const { fleet } = this.control.ticks
    const decision = this.service(rollout.service)?.decisions.at(-1)?.revision
    if (decision === undefined) return null
    const span: Span = { from: Math.max(fleet.begin, fleet.end - MEASURED_SECONDS), to: fleet.end }
    const sides = countsOf(fleet, span, rollout).get(decision)
    const canary = sides?.canary.counts[Figure.requests] ?? 0
    const all = canary + (sides?.stable.counts[Figure.requests] ?? 0)
    return all === 0 ? null : Math.round((10_000 * canary) / all) / 100
  }

  /** Share of the canary by a routing decision, 0 to 1; null = it is not known any more. */
  weightOf({ service, to }: Rollout, revision: number): number | null {
    const decision = this.service(service)?.decisions.find((each) => each.revision === revision)
    return decision === undefined ? null : shareOf(decision.split, to) / 10_000
  }

  private slowMs({ service, from, metrics, spec }: Rollout): number | null {
    const isNeeded = metrics.some(
      ({ name, thresholdMs }) =>
        thresholdMs === null && spec.analysis.metrics.some((each) => each.name === name && each.kind === 'latency'),
    )
    if (!isNeeded) return null
    const { counts, durations } = this.figures(service, from, WARM_UP_SECONDS)
    return (counts[Figure.requests] as number) < MIN_WARM_UP ? null : autoThreshold(pairsOf(durations))
  }
}

const GONE = {
  lagging: [],
  canary: { up: 0, of: 0 },
  stable: { up: 0, of: 0 },
  minReady: 1,
  frozen: null,
  slowMs: null,
}
