import type { LastProbe } from '../../health/check.ts'
import { type Deploy, isAsDeployed, runningDeploy } from '../../model/deploys.ts'
import { own } from '../../model/names.ts'
import type { Server } from '../../model/servers.ts'
import { serversOf } from '../../model/servers.ts'
import type { Service } from '../../model/state.ts'
import { type Store, takesChanges } from '../../store/store.ts'
import type { Control } from '../control.ts'
import type { Fleet } from '../fleet/fleet.ts'
import type { DeployHealth } from './deploy-health.ts'
import type { NotUp } from './deploy-outcome.ts'

export interface DeployReadinessOptions {
  readonly control: Control
  readonly store: Pick<Store, 'status' | 'troubles'>
  readonly fleet: Pick<Fleet, 'live' | 'refresh' | 'watch'>
  readonly health: DeployHealth
  /** Name of this instance. */
  readonly name: string
  readonly isStopping: () => boolean
}

/**
 * How waiting for a deploy has ended. `ready`: its servers are up in the whole fleet, and the store takes the switch; `gone`: its
 * document is not there any more; `changed`: somebody has changed its pool, or removed the service.
 */
export type Readiness = 'ready' | 'late' | 'gone' | 'changed' | 'stopping'

/** Waits until the servers of a deploy are up at every instance. */
export class DeployReadiness {
  private readonly options: DeployReadinessOptions
  private readonly waiters = new Set<() => void>()

  constructor(options: DeployReadinessOptions) {
    this.options = options
  }

  /** Looks again; called whenever the state, health or another instance may have changed. */
  check(): void {
    for (const check of [...this.waiters]) check()
  }

  /** Resolves once the deploy is ready, or cannot be any more, or after `timeoutMs`. */
  async wait(service: string, deploy: Deploy, timeoutMs: number): Promise<Readiness> {
    const deadline = performance.now() + timeoutMs
    const leftMs = () => Math.max(0, deadline - performance.now())
    for (;;) {
      const unwatch = this.options.fleet.watch()
      const ended = await this.until(() => this.now(service, deploy), leftMs()).finally(unwatch)
      if (ended !== 'ready') return ended
      // What is known of the other instances may be a second old: one may have joined.
      if (!(await this.options.fleet.refresh(leftMs()))) return 'late'
      const now = this.now(service, deploy)
      if (now !== null) return now
    }
  }

  /** Resolves once no deploy of a service runs under this Idempotency-Key, or after `timeoutMs`. */
  async ended(service: string, key: string, timeoutMs: number): Promise<void> {
    const { control, isStopping } = this.options
    const isRunning = (): boolean => runningDeploy(control.state, service)?.key === key && !isStopping()
    await this.until(() => (isRunning() ? null : 'ended'), timeoutMs)
  }

  /** The servers of a deploy that are not up at some instance. */
  notUp(service: Service, deploy: Deploy): readonly NotUp[] {
    const { control, fleet, health, name } = this.options
    const here = new Set(health.notUp(service, deploy).map((server) => server.name))
    const live = fleet.live()
    return serversOf(service, deploy.pool).flatMap((server): NotUp[] => {
      const elsewhere = live.filter(({ record: { deploys = {} } }) => {
        const standing = own(deploys, service.name)
        // An instance that has the deploy in force and does not report it runs a version that cannot.
        return standing !== undefined && (standing.id !== deploy.id || standing.notUp.includes(server.name))
      })
      const at = [
        ...(here.has(server.name) ? [name] : []),
        ...elsewhere.map((each) => control.convergence.nameOf(each)),
      ]
      if (at.length === 0) return []
      const { health: found, last } = control.health(server.key)
      const words = here.has(server.name) ? this.why(service, server, last) : 'is not up'
      const why = `${server.name} ${words}${live.length === 0 ? '' : ` at ${at.join(', ')}`}`
      return [{ server, health: found, last, at, why }]
    })
  }

  private why({ spec }: Service, server: Server, last: LastProbe | null): string {
    const { control } = this.options
    if (spec.health === null || control.health(server.key).health !== 'up')
      return `is ${spec.health === null ? 'not up' : control.describeHealth(server, spec.health)}`
    if (last !== null && !last.ok) return `has failed its last check (${last.error})`
    return 'has not passed a check since the deploy began'
  }

  /** The outcome as of now; null = wait on. */
  private now(service: string, deploy: Deploy): Exclude<Readiness, 'late'> | null {
    const { control, store, isStopping } = this.options
    if (runningDeploy(control.state, service)?.id !== deploy.id) return 'gone'
    const current = own(control.state.services, service)
    if (current === undefined || !isAsDeployed(current, deploy)) return 'changed'
    if (isStopping()) return 'stopping'
    const isInForce = control.drains.lagging(current).length === 0
    return isInForce && this.notUp(current, deploy).length === 0 && takesChanges(store) ? 'ready' : null
  }

  /** Resolves with the first answer of `look` that is not null, or with `late` after `timeoutMs`. */
  private until<T extends string>(look: () => T | null, timeoutMs: number): Promise<T | 'late'> {
    return new Promise((resolve) => {
      const end = (found: T | 'late'): void => {
        clearTimeout(timer)
        this.waiters.delete(check)
        resolve(found)
      }
      const check = (): void => {
        const found = look()
        if (found !== null) end(found)
      }
      const timer = setTimeout(() => end('late'), timeoutMs)
      this.waiters.add(check)
      check()
    })
  }
}
