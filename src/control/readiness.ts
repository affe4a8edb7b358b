import { onDuty } from '../model/backups.ts'
import { own } from '../model/names.ts'
import type { Server } from '../model/servers.ts'
import { isOpen, serversOf } from '../model/servers.ts'
import { shareOf } from '../model/split.ts'
import type { Service } from '../model/state.ts'
import { currentSplit } from '../model/state.ts'
import type { Control } from './control.ts'

/** A pool with a share that has too few servers up because some are still in their first round of checks. */
export interface WaitingPool {
  readonly service: string
  readonly pool: string
  /** Servers that take requests. */
  readonly up: number
  /** Servers that are still in their first round of checks. */
  readonly undecided: number
}

/** Whether a server can take requests now: state and weight let it, and it is up. */
export function isUsable(control: Pick<Control, 'health'>, server: Server): boolean {
  return isOpen(server) && control.health(server.key).health === 'up'
}

type Known = Pick<Control, 'state' | 'health' | 'handoverOf' | 'isUndecided' | 'syncHealth' | 'controller' | 'names'>

/**
 * Tracks the services that cannot be served yet. A service is ready once each of its pools with a share has `minReady`
 * servers that take requests, or the first round of checks has found that it does not. From then on the service stays
 * ready: a server that is enabled or moved later must not take the whole instance out of a load balancer.
 */
export class Readiness {
  private readonly control: Known
  private readonly ready = new Set<string>()

  constructor(control: Known) {
    this.control = control
    control.controller.watch(({ services }) => {
      // A service that is removed and defined again starts anew.
      for (const name of this.ready) if (own(services, name) === undefined) this.ready.delete(name)
    })
  }

  /** The pools that are not ready; empty = all services are ready, and the proxies use that health. */
  async waiting(): Promise<readonly WaitingPool[]> {
    const services = Object.values(this.control.state.services)
    const waiting = services.flatMap((service) => (this.ready.has(service.name) ? [] : this.waitingPools(service)))
    const names = new Set(waiting.map(({ service }) => service))
    const ready = services.map(({ name }) => name).filter((name) => !names.has(name) && !this.ready.has(name))
    if (ready.length === 0) return waiting
    await this.control.syncHealth()
    for (const name of ready) if (own(this.control.state.services, name) !== undefined) this.ready.add(name)
    return waiting
  }

  private waitingPools(service: Service): WaitingPool[] {
    // Its requests are served by the previous definition.
    if (this.control.handoverOf(service.name) !== undefined) return []
    const split = currentSplit(service)
    return Object.keys(service.spec.pools).flatMap((pool) => {
      if (shareOf(split, pool) === 0) return []
      const servers = serversOf(service, pool)
      const isUp = (server: Server): boolean => isUsable(this.control, server)
      const isUndecided = (server: Server): boolean =>
        (isOpen(server) && this.control.isUndecided(server.key)) || this.control.names.isPending(service, server)
      const undecided = servers.filter(isUndecided).length
      // A backup does not make a pool ready while another server may still come up.
      const up = onDuty(servers.filter((server) => isUp(server) || isUndecided(server))).filter(isUp).length
      const isReady = undecided === 0 || up >= Math.max(1, service.spec.minReady)
      return isReady ? [] : [{ service: service.name, pool, up, undecided }]
    })
  }
}
