import type { LastProbe } from '../../health/check.ts'
import { DEPLOYS, type Deploy } from '../../model/deploys.ts'
import { documentsOf } from '../../model/document-kind.ts'
import type { DeployStanding } from '../../model/fleet.ts'
import { own } from '../../model/names.ts'
import type { Server } from '../../model/servers.ts'
import { serversOf } from '../../model/servers.ts'
import type { Service, State } from '../../model/state.ts'
import type { Control } from '../control.ts'

/** Keys of the servers of a deploy, and those that must pass a new check, with the time since when, monotonic ms. */
interface Followed {
  readonly keys: ReadonlySet<string>
  readonly unproven: Map<string, number>
}

/**
 * Knows which servers of running deploys are up at this instance. A server at an address that was checked before counts only
 * once a check has passed that began after the deploy: the health known of it is that of the former app.
 */
export class DeployHealth {
  private readonly control: Pick<Control, 'state' | 'health' | 'probeNow'>
  /** By id of the deploy. */
  private followed = new Map<string, Followed>()

  constructor(control: Pick<Control, 'state' | 'health' | 'probeNow'>) {
    this.control = control
  }

  /** Begins with new deploys, and forgets those that have ended; called with every state, once its servers are checked. */
  follow(state: State): void {
    const before = this.followed
    this.followed = new Map()
    for (const { name, value } of documentsOf(DEPLOYS, state))
      this.followed.set(value.id, before.get(value.id) ?? this.begin(own(state.services, name), value))
  }

  private begin(service: Service | undefined, { pool }: Deploy): Followed {
    const keys = service === undefined ? [] : serversOf(service, pool).map(({ key }) => key)
    const isChecked = service?.spec.health !== null
    const unproven = keys.filter((key) => isChecked && this.control.health(key).last !== null)
    const now = performance.now()
    this.control.probeNow(unproven)
    return { keys: new Set(keys), unproven: new Map(unproven.map((key) => [key, now])) }
  }

  /** Takes the result of a check that has just ended. Returns whether it is of a server in a deploy. */
  probed(key: string, { ms }: LastProbe): boolean {
    let isAwaited = false
    for (const { keys, unproven } of this.followed.values()) {
      if (!keys.has(key)) continue
      isAwaited = true
      const since = unproven.get(key)
      if (since === undefined) continue
      if (performance.now() - ms >= since) unproven.delete(key)
      else this.control.probeNow([key])
    }
    return isAwaited
  }

  /** The servers of a deploy that are not up at this instance. */
  notUp(service: Service, { id, pool }: Deploy): readonly Server[] {
    const unproven = this.followed.get(id)?.unproven
    return serversOf(service, pool).filter(({ key }) => {
      const { health, last } = this.control.health(key)
      const hasFailed = last !== null && !last.ok
      return health !== 'up' || hasFailed || unproven === undefined || unproven.has(key)
    })
  }

  /** The deploys of the current state, by service, for the other instances; null = there are none. */
  standings(): Readonly<Record<string, DeployStanding>> | null {
    const { state } = this.control
    const standings = documentsOf(DEPLOYS, state).map(({ name, value }): [string, DeployStanding] => {
      const service = own(state.services, name)
      const notUp = service === undefined ? [] : this.notUp(service, value).map((server) => server.name)
      return [name, { id: value.id, notUp }]
    })
    return standings.length === 0 ? null : Object.fromEntries(standings)
  }
}
