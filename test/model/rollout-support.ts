import { checkRollout } from '../../src/config/rollout-spec.ts'
import type { CommandMaker } from '../../src/control/controller.ts'
import type { Outcome, Request } from '../../src/model/commands.ts'
import { isUnfrozen } from '../../src/model/freezing.ts'
import { newStep } from '../../src/model/rollout/moves.ts'
import type { Observation } from '../../src/model/rollout/observation.ts'
import { observe } from '../../src/model/rollout/observe.ts'
import { findRollout, type Rollout, rolloutsOf, runningRollout } from '../../src/model/rollout/rollout.ts'
import { NOTHING_ROUTED } from '../../src/model/rollout/routed-shares.ts'
import { ask, type RolloutVerb } from '../../src/model/rollout/verbs.ts'
import type { JsonObject } from '../../src/model/state.ts'
import { newMetric } from '../../src/rollout/judging.ts'
import { askRollout, startRollout } from '../../src/rollout/rollout-commands.ts'
import { definitionOf, PLAIN, World } from './support.ts'

/** A rollout from blue to green, as it begins at the store's time 0. */
export function rollout(settings: JsonObject, servers = 2): Rollout {
  const checked = checkRollout(settings, {}, servers)
  if (!checked.ok) throw new Error(JSON.stringify(checked.problems))
  const { spec } = checked
  return {
    id: 'r1',
    service: 'shop',
    from: 'blue',
    to: 'green',
    by: 'anna',
    note: null,
    spec,
    state: 'Pending',
    reason: null,
    detail: null,
    resumesTo: null,
    weight: 0,
    step: newStep(0, 1, 0),
    routes: [],
    mirror: null,
    metrics: spec.analysis.metrics.map((metric) => newMetric(metric, spec)),
    shares: NOTHING_ROUTED,
    drift: 'ok',
    firstDecision: 1,
    judgedUntil: 0,
    stateSinceMs: 0,
    startedMs: 0,
    endedMs: null,
    epoch: 0,
    gateKey: 'key',
    forced: false,
  }
}

/** All is well: both pools are up, every instance has applied everything. */
export function seen(nowMs: number, more: Partial<Observation> = {}): Observation {
  return {
    nowMs,
    epoch: 0,
    lagging: [],
    canary: { up: 2, of: 2 },
    stable: { up: 2, of: 2 },
    minReady: 1,
    minRequests: 0,
    judged: null,
    slowMs: null,
    measured: {},
    call: null,
    frozen: null,
    ...more,
  }
}

/** A tick of the judge in which nothing was bad. */
export function soak(current: Rollout, seconds: number, requests = 100): Observation['judged'] {
  return {
    metrics: current.metrics,
    shares: current.shares,
    drift: 'ok',
    judgedUntil: current.judgedUntil + seconds,
    soakMs: seconds * 1_000,
    canaryRequests: requests,
    stableRequests: requests,
    isStableBad: false,
  }
}

export const ANNA = { by: 'anna', reason: null }

/** Observes again and again, one millisecond apart, until nothing changes. */
export function settle(begin: Rollout, fromMs = 0, more: Partial<Observation> = {}): Rollout {
  let current = begin
  for (let i = 0; i < 50; i++) {
    const next = observe(current, seen(fromMs + i, more))
    if (next === current) return current
    current = next
  }
  throw new Error('it changes again and again')
}

/** What a verb makes of it; throws with the refusal. */
export function asked(current: Rollout, verb: RolloutVerb, nowMs = 0): Rollout {
  const next = ask(current, verb, { ...ANNA, nowMs })
  if ('kind' in next) throw new Error(JSON.stringify(next))
  return next
}

/** A tick after which a metric has failed. */
export function failing(current: Rollout, name = 'errors'): NonNullable<Observation['judged']> {
  const judged = soak(current, 5) as NonNullable<Observation['judged']>
  const metrics = current.metrics.map((metric) =>
    metric.name === name ? { ...metric, verdict: 'failed' as const } : metric,
  )
  return { ...judged, metrics }
}

/** A world with the service `shop`, two pools of two servers, and rollouts of it. Its clock goes on by a second with each request. */
export class RollingWorld extends World {
  constructor() {
    super({ shop: definitionOf({ blue: 2, green: 2 }) })
  }

  /** Asks for a rollout as the API does. */
  start(
    settings: JsonObject,
    { replace = false, to }: { replace?: boolean; to?: string } = {},
    request: Request = PLAIN,
  ): Outcome {
    return this.make(
      startRollout({ service: 'shop', settings, replace, ...(to && { to }) }, () => 0),
      request,
    )
  }

  /** Begins a rollout that must not be refused. */
  begin(settings: JsonObject): void {
    const outcome = this.start(settings)
    if (outcome.kind !== 'change') throw new Error(JSON.stringify(outcome))
  }

  /** Asks a verb of a rollout, by default of the newest. */
  ask(verb: RolloutVerb, request: Request = PLAIN, id = rolloutsOf(this.state, 'shop').at(-1)?.id ?? ''): Outcome {
    return this.make(
      askRollout('shop', id, verb, () => 0),
      request,
    )
  }

  /** Begins a deploy to the pool `green`. */
  deploy(request: Request = PLAIN): Outcome {
    const definition = definitionOf({ blue: 2, green: 4 })
    const { revision } = this.state
    const former = { definition: null, split: null, servers: {} }
    const at = new Date(this.facts.nowMs).toISOString()
    const deploy = { id: `d${revision}`, pool: 'green', by: 'test', at, instance: 'a', definition: {}, former }
    return this.run({ kind: 'beginDeploy', service: 'shop', definition, deploy, replace: false }, request)
  }

  /** Lets the engine look until nothing changes any more. */
  settle(more: Partial<Observation> = {}): void {
    for (let i = 0; i < 50; i++) {
      const rollout = runningRollout(this.state, 'shop')
      const service = this.state.services.shop
      if (rollout === null || service === undefined) return
      const isHeld = service.freeze !== undefined && !isUnfrozen(service.freeze, rollout)
      const next = observe(rollout, seen(this.facts.nowMs, { frozen: isHeld ? 'frozen' : null, ...more }))
      if (next === rollout) return
      const force = next.weight < rollout.weight
      this.must({ kind: 'moveRollout', service: 'shop', rollout: next }, { ...PLAIN, force })
    }
    throw new Error('it moves again and again')
  }

  /** The rollout that runs. */
  running(): Rollout {
    const running = runningRollout(this.state, 'shop')
    if (running === null) throw new Error('no rollout runs')
    return running
  }

  find(id: string): Rollout | null {
    return findRollout(this.state, 'shop', id)
  }

  private make(maker: CommandMaker, request: Request): Outcome {
    this.facts = { ...this.facts, nowMs: this.facts.nowMs + 1_000 }
    const made = maker(this.state, request, this.facts)
    return 'refusal' in made ? { kind: 'refused', refusal: made.refusal } : this.run(made.command, request)
  }
}
