import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import type { LastProbe } from '../../health/check.ts'
import type { Request } from '../../model/commands.ts'
import { type Deploy, runningDeploy } from '../../model/deploys.ts'
import { own } from '../../model/names.ts'
import { shareOf } from '../../model/split.ts'
import { currentSplit, type State } from '../../model/state.ts'
import { OutcomeUnknown, type Store, StoreUnavailable } from '../../store/store.ts'
import type { Control } from '../control.ts'
import type { CommandMaker, Done, Result } from '../controller.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { abandonDeploy, beginDeploy, type WantedDeploy } from './deploy-commands.ts'
import { DeployHealth } from './deploy-health.ts'
import type { DeployFailure, DeployOutcome } from './deploy-outcome.ts'
import { DeployReadiness, type Readiness } from './deploy-readiness.ts'
import { LostDeploys } from './lost-deploys.ts'

/** Max characters of a reason in the history. */
const MAX_REASON_CHARS = 500

export interface DeploysOptions {
  readonly control: Control
  readonly store: Pick<Store, 'status' | 'troubles'>
  readonly fleet: Pick<Fleet, 'others' | 'unreadable' | 'refresh' | 'live' | 'report' | 'watch'>
  /** This instance. */
  readonly identity: { readonly id: string; readonly name: string }
  readonly log: Logger
}

/** Limits of a deploy, ms. */
export interface DeployTimes {
  /** Max time until all of its servers are up. */
  readonly timeoutMs: number
  /** Time after which requests in flight at the old pools are cut; absent = never. */
  readonly drainMs?: number
}

/**
 * Carries out deploys: puts servers into a pool without a share, waits until they are up in the whole fleet, and switches to
 * it. If anything fails, the pool is restored and the split stays as it is.
 */
export class Deploys {
  private readonly options: DeploysOptions
  private readonly health: DeployHealth
  private readonly readiness: DeployReadiness
  private readonly lost: LostDeploys
  /** The deploys that this process carries out, by id. */
  private readonly underWay = new Map<string, Promise<DeployOutcome>>()
  private isStopping = false

  constructor(options: DeploysOptions) {
    const { control, store, fleet, identity, log } = options
    this.options = options
    this.health = new DeployHealth(control)
    this.readiness = new DeployReadiness({
      control,
      store,
      fleet,
      health: this.health,
      name: identity.name,
      isStopping: () => this.isStopping,
    })
    const isUnderWay = (id: string): boolean => this.underWay.has(id)
    this.lost = new LostDeploys({ control, fleet, instance: identity.id, isUnderWay, log })
  }

  /** Begins to follow the deploys of the fleet. */
  start(): void {
    this.options.control.controller.watch((state) => {
      this.health.follow(state)
      this.check()
    })
  }

  /** Ends the deploys of this process that have not switched yet, and restores their pools if the store takes that. */
  async stop(): Promise<void> {
    this.isStopping = true
    this.readiness.check()
    await Promise.allSettled(this.underWay.values())
    this.lost.close()
  }

  /** Looks at all deploys again; called whenever the state or another instance may have changed. */
  check(): void {
    this.readiness.check()
    this.lost.check()
  }

  /** Takes the result of a check of a server. */
  probed(key: string, last: LastProbe): void {
    if (!this.health.probed(key, last)) return
    this.options.fleet.report()
    this.readiness.check()
  }

  /** See `DeployHealth.standings`. */
  standings(): ReturnType<DeployHealth['standings']> {
    return this.health.standings()
  }

  /**
   * Carries out a deploy until it has switched or failed, whether or not the caller is still there. Throws StoreUnavailable if
   * nothing was begun, and OutcomeUnknown if it is not known whether it has begun or switched.
   */
  async run(wanted: WantedDeploy, times: DeployTimes, request: Request): Promise<DeployOutcome> {
    const id = randomUUID()
    // Not at once: it must be known to be under way before its document exists.
    const running = Promise.resolve().then(() => this.carryOut(id, wanted, times, request))
    this.underWay.set(id, running)
    try {
      return await running
    } finally {
      this.underWay.delete(id)
      this.lost.check()
    }
  }

  private async carryOut(
    id: string,
    wanted: WantedDeploy,
    { timeoutMs, drainMs }: DeployTimes,
    request: Request,
  ): Promise<DeployOutcome> {
    const { control, identity } = this.options
    const { service } = wanted
    // A repetition of a request that is still carried out, here or at another instance, waits for its outcome.
    if (request.idempotency !== undefined) await this.readiness.ended(service, request.idempotency.key, timeoutMs)
    const beganAt = performance.now()
    const { result, deploy } = await this.begin(beginDeploy(wanted, id, identity.id), request)
    if (result.kind === 'refused') return result
    if (deploy === null) return this.repeated(wanted, result)
    const readiness = await this.readiness.wait(service, deploy, timeoutMs)
    const healthyMs = performance.now() - beganAt
    if (readiness !== 'ready') return this.fail(service, deploy, this.failureOf(readiness, service, deploy, timeoutMs))
    let from: readonly string[] = []
    const finish: CommandMaker = (state) => {
      from = sharers(state, service)
      return { command: { kind: 'finishDeploy', service, id, ...(drainMs === undefined ? {} : { drainMs }) } }
    }
    try {
      // If-Match was compared when the deploy began, which has changed the service since.
      const finished = await control.execute(finish, { ...request, ifMatch: null })
      if (finished.kind === 'refused') return await this.fail(service, deploy, refused(finished))
      const { pool } = deploy
      return { kind: 'done', result: finished, pool, version: this.versionOf(service, pool), from, healthyMs }
    } catch (error) {
      // If it is not known whether it has switched, the state tells once the store is back: see `LostDeploys`.
      if (!(error instanceof StoreUnavailable) || error instanceof OutcomeUnknown) throw error
      return this.fail(service, deploy, { why: 'store', detail: error.message })
    }
  }

  /** Begins a deploy. `deploy`: as begun; null = refused, or made before under the same Idempotency-Key. */
  private async begin(
    make: CommandMaker,
    request: Request,
  ): Promise<{ readonly result: Result; readonly deploy: Deploy | null }> {
    let deploy: Deploy | null = null
    const result = await this.options.control.execute((...given) => {
      const made = make(...given)
      deploy = 'command' in made && made.command.kind === 'beginDeploy' ? made.command.deploy : null
      return made
    }, request)
    return { result, deploy: result.kind === 'refused' || result.repeated === true ? null : deploy }
  }

  private repeated({ service, pool }: WantedDeploy, result: Done): DeployOutcome {
    const to = pool ?? sharers(this.options.control.state, service)[0] ?? ''
    return { kind: 'done', result, pool: to, version: this.versionOf(service, to), from: [], healthyMs: null }
  }

  private versionOf(service: string, pool: string): string {
    const known = own(this.options.control.state.services, service)
    return own(known?.spec.pools ?? {}, pool)?.version ?? pool
  }

  private failureOf(
    readiness: Exclude<Readiness, 'ready'>,
    service: string,
    deploy: Deploy,
    timeoutMs: number,
  ): DeployFailure {
    const { control } = this.options
    const { pool } = deploy
    const current = own(control.state.services, service)
    switch (readiness) {
      case 'late': {
        const notUp = current === undefined ? [] : this.readiness.notUp(current, deploy)
        const lagging = current === undefined ? [] : control.drains.lagging(current)
        const missing = [...notUp.map(({ why }) => why), ...lagging.map((name) => `${name} has not applied the deploy`)]
        const what = missing.length === 0 ? 'the store takes no changes' : missing.join('; ')
        return { why: 'late', detail: `After ${timeoutMs} ms: ${what}.`, notUp }
      }
      case 'gone': {
        const other = runningDeploy(control.state, service)
        if (other === null)
          return { why: 'ended', detail: 'Another instance has ended this deploy, since this one was out of touch.' }
        const detail = `${other.by} has deployed to pool ${other.pool} of ${service} instead, at ${other.at}.`
        return { why: 'replaced', detail }
      }
      case 'changed':
        return {
          why: 'ended',
          detail:
            current === undefined
              ? `The service ${service} was removed meanwhile.`
              : `Another request has changed pool ${pool} of ${service} meanwhile, or sent traffic there: the pool stays as that request has left it.`,
        }
      case 'stopping':
        return { why: 'stopping', detail: 'This instance is shutting down; send the deploy to another one, or again.' }
    }
  }

  /** Restores the pool, unless another deploy or instance has. */
  private async fail(service: string, deploy: Deploy, failure: DeployFailure): Promise<DeployOutcome> {
    const { control, log } = this.options
    const { id, by, pool } = deploy
    const reason = failure.detail.slice(0, MAX_REASON_CHARS)
    let aftermath = 'This deploy has not touched the traffic.'
    try {
      const abandon: CommandMaker = (...given) => {
        const made = abandonDeploy(service, id)(...given)
        const isRestored =
          'command' in made && made.command.kind === 'abandonDeploy' && made.command.definition !== null
        if (isRestored) aftermath = `The traffic is untouched, and pool ${pool} is as it was before.`
        return made
      }
      await control.execute(abandon, { by, reason, force: false, ifMatch: null })
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      aftermath = `The traffic is untouched. Pool ${pool} is restored as soon as the store takes changes: ${error.message}.`
    }
    log.warn({ service, pool, by, why: failure.why, detail: failure.detail }, 'a deploy has failed')
    return { kind: 'failed', failure, pool, revision: control.state.revision, aftermath }
  }
}

/** The pools of a service that have a share. */
function sharers({ services }: State, name: string): readonly string[] {
  const service = own(services, name)
  const split = service === undefined ? {} : currentSplit(service)
  return Object.keys(split).filter((pool) => shareOf(split, pool) > 0)
}

function refused({ refusal }: Extract<Result, { kind: 'refused' }>): DeployFailure {
  const detail = 'detail' in refusal ? refusal.detail : 'The service or the pool was removed meanwhile.'
  return { why: 'refused', detail }
}
