import type { Server } from '../../../src/client/create-client.ts'
import { counted } from '../format.ts'
import { stats } from '../live/live.ts'
import { client } from '../live/session.ts'
import { type Action, optionsOf } from './action.ts'
import { poolNow } from './sentences.ts'

/** Takes a server out once its requests have ended. */
export function drain({ name, service, pool }: Server): Action {
  const others = () => {
    const { servers = [], up = 0 } = poolNow(service, pool) ?? {}
    const own = servers.find((server) => server.name === name)
    return own?.health === 'up' && own.state === 'ready' ? up - 1 : up
  }
  return {
    title: `Drain ${name}`,
    service,
    verb: () => `Drain ${name}`,
    consequences: () => {
      const inFlight = inFlightAt(service, pool, name)
      const left = others()
      return [
        `${name} gets no new requests. ${inFlight === 0 ? 'It has none in flight' : `${counted(inFlight, 'request')} in flight ${inFlight === 1 ? 'ends by itself' : 'end by themselves'}`}.`,
        left > 0
          ? `${counted(left, 'other server')} of ${pool} ${left === 1 ? 'takes' : 'take'} the requests.`
          : `No other server of ${pool} is up.`,
      ]
    },
    run: (how) => client.value.servers.drain(name, { service, pool, ...optionsOf(how) }),
    drains: () => ({ pools: [], servers: [{ pool, name }] }),
    undo: () => enable({ name, service, pool }),
  }
}

/** Puts a server back in. */
export function enable({ name, service, pool }: Pick<Server, 'name' | 'service' | 'pool'>): Action {
  return {
    title: `Enable ${name}`,
    service,
    verb: () => `Enable ${name}`,
    consequences: () => {
      const server = poolNow(service, pool)?.servers.find((each) => each.name === name)
      const isUp = server?.health === 'up'
      return [
        isUp
          ? `${name} is up, and gets requests of ${pool} again.`
          : `${name} gets requests of ${pool} once its health checks find it up; now it is ${server?.health ?? 'unknown'}.`,
      ]
    },
    run: (how) => client.value.servers.enable(name, { service, pool, ...optionsOf(how) }),
  }
}

function inFlightAt(service: string, pool: string, server: string): number {
  const ofPool = stats.value.get(service)?.pools.find(({ name }) => name === pool)
  const ofServer = ofPool?.servers.find(({ name }) => name === server)
  return ofServer?.inFlight ?? poolNow(service, pool)?.servers.find(({ name }) => name === server)?.inFlight ?? 0
}
