import type { Chance } from '../../support/chance.ts'

/** Services of the file, which are never removed. */
export const STEADY = ['alpha', 'beta'] as const
/** Services that come and go. */
const PASSING = ['gamma', 'delta'] as const
export const SERVICES: readonly string[] = [...STEADY, ...PASSING]

const POOLS = ['blue', 'green']
const SERVERS = ['blue1', 'blue2', 'green1', 'shared']

/** A command without its author and reason. */
export interface Command {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query: Readonly<Record<string, string>>
  readonly body?: object
  /** Whose revision an If-Match would name; null where several services may be meant. */
  readonly service: string | null
}

/** A definition that is different for each version. Its servers do not exist, and get no requests. */
export function definition(service: string, version: number): object {
  const url = 'http://127.0.0.1:9'
  return {
    hosts: [`${service}.test`],
    pools: {
      blue: { version: String(version), servers: { blue1: url, blue2: url, shared: url } },
      green: { version: String(version), servers: { green1: url, shared: url } },
    },
    split: { blue: 100 },
    health: 'off',
  }
}

/** Any command. Some will be refused: of services that are not there, or that would leave a pool without servers. */
export function randomCommand(chance: Chance): Command {
  const service = chance.pick(SERVICES)
  const of = (path: string) => `/api/services/${service}${path}`
  const query = chance.percent(10) ? { force: 'true' } : {}
  const kind = chance.between(1, 100)
  if (kind <= 20) return { method: 'POST', path: of('/switch'), query, body: { to: chance.pick(POOLS) }, service }
  if (kind <= 40) {
    return { method: 'POST', path: of('/shift'), query, body: randomShift(chance), service }
  }
  if (kind <= 50) return { method: 'POST', path: of('/rollback'), query, service }
  if (kind <= 85) return serverCommand(chance, query)
  const passing = chance.pick(PASSING)
  const path = `/api/services/${passing}`
  if (kind <= 92) {
    return { method: 'PUT', path, query, body: definition(passing, chance.between(1, 1_000_000)), service: passing }
  }
  // A service with traffic goes only by force.
  return { method: 'DELETE', path, query: chance.percent(80) ? { force: 'true' } : {}, service: passing }
}

function randomShift(chance: Chance): object {
  const percent = chance.between(1, 99)
  return chance.percent(50) ? { to: chance.pick(POOLS), percent } : { split: { blue: percent, green: 100 - percent } }
}

/** In one service, or in all that have such a server. */
function serverCommand(chance: Chance, query: Command['query']): Command {
  const service = chance.percent(50) ? chance.pick(SERVICES) : null
  const narrowed = { ...query, ...(service === null ? {} : { service }) }
  const path = `/api/servers/${chance.pick(SERVERS)}`
  const verb = chance.pick(['drain', 'enable', 'enable', 'weight'])
  if (verb !== 'weight') return { method: 'POST', path: `${path}/${verb}`, query: narrowed, service }
  return { method: 'PATCH', path, query: narrowed, body: { weight: chance.between(1, 1000) }, service }
}
