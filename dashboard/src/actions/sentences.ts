import type { Pool, Service } from '../../../src/client/create-client.ts'
import { counted } from '../format.ts'
import { services, stats } from '../live/live.ts'
import { isOver, readyServers } from '../live/standing.ts'

/** A service as it is now. Throws if it is gone. */
export function serviceNow(name: string): Service {
  const service = services.value?.get(name)
  if (service === undefined) throw new Error(`there is no service ${name} any more`)
  return service
}

export function poolNow(service: string, name: string): Pool | undefined {
  return serviceNow(service).pools.find((pool) => pool.name === name)
}

/** `green has 2 of 2 servers up.` */
export function readiness({ name, up, servers, ...pool }: Pool): string {
  const ready = readyServers({ name, up, servers, ...pool }).length
  if (servers.length === 0) return `${name} has no servers.`
  return `${name} has ${up} of ${counted(ready, 'server')} up.`
}

/** `blue keeps 12 requests in flight, which end by themselves.` */
export function leftovers(service: string, pools: readonly string[]): string[] {
  const figures = stats.value.get(service)
  return pools.map((pool) => {
    const inFlight = figures?.pools.find(({ name }) => name === pool)?.inFlight ?? poolNow(service, pool)?.inFlight ?? 0
    if (inFlight === 0) return `${pool} has no requests in flight. It stays warm as standby.`
    return `${pool} keeps ${counted(inFlight, 'request')} in flight, which ${inFlight === 1 ? 'ends' : 'end'} by ${inFlight === 1 ? 'itself' : 'themselves'}. It stays warm as standby.`
  })
}

/** Pools with a share. */
export function withShare({ pools }: Service): readonly Pool[] {
  return pools.filter(({ share }) => share > 0)
}

/** What a running rollout, a freeze or a pause means for a change of the routing. */
export function conditions({ freeze, mode, rollout }: Service): string[] {
  const found: string[] = []
  if (rollout !== undefined && !isOver(rollout)) found.push(`The rollout to ${rollout.to} ends with it.`)
  if (freeze !== undefined)
    found.push(`The service is frozen by ${freeze.by}${freeze.reason === null ? '' : `: ${freeze.reason}`}.`)
  if (mode === 'paused') found.push('The service is paused: requests are held until it is resumed.')
  if (mode === 'stopped') found.push('The service is stopped: requests are refused until it is resumed.')
  return found
}
