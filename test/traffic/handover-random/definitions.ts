import type { Chance } from '../../support/chance.ts'

/** Every path has a service at all times. */
export const PATHS = ['/', '/a', '/a/b', '/c']

/** A service of the configuration file; it has one pool. */
export interface Drawn {
  readonly paths: readonly string[]
  readonly pool: string
  /** URLs by name. */
  readonly servers: Readonly<Record<string, string>>
  readonly probePath: string
  readonly balance: string
}

export type Drawing = ReadonlyMap<string, Drawn>

/** Returns the URL of a server that is not in the definitions so far. */
export type NewServer = () => Promise<string>

/** The services as the configuration file has them. A failed request shows, since nothing is tried twice. */
export function servicesOf(drawing: Drawing): object {
  return Object.fromEntries(
    [...drawing].map(([name, { paths, pool, servers, probePath, balance }]) => [
      name,
      {
        paths,
        pools: { [pool]: { servers } },
        balance,
        health: { interval: '30ms', path: probePath },
        retry: { attempts: 1 },
      },
    ]),
  )
}

/** Draws definitions, each by random changes of the one before. */
export class Definitions {
  private readonly chance: Chance
  private readonly newServer: NewServer
  private names = 0

  constructor(chance: Chance, newServer: NewServer) {
    this.chance = chance
    this.newServer = newServer
  }

  /** One service for all paths. */
  async first(): Promise<Drawing> {
    const rest = { pool: 'blue', probePath: '/healthz', balance: 'leastRequest' }
    return new Map([[this.name('s'), { ...rest, paths: PATHS, servers: await this.servers() }]])
  }

  async next(before: Drawing): Promise<Drawing> {
    const after = new Map(before)
    for (let left = this.chance.between(1, 3); left > 0; left--) await this.change(after)
    return after
  }

  private async change(services: Map<string, Drawn>): Promise<void> {
    const name = this.chance.pick([...services.keys()])
    const service = services.get(name)
    if (service === undefined) return
    const kind = this.chance.between(1, 100)
    if (kind <= 30) services.set(name, { ...service, servers: await this.servers() })
    else if (kind <= 40) services.set(name, { ...service, servers: { ...service.servers, ...(await this.servers()) } })
    else if (kind <= 50) services.set(name, { ...service, pool: this.name('pool'), servers: await this.servers() })
    else if (kind <= 65) {
      services.delete(name)
      const servers = this.chance.percent(50) ? await this.servers() : service.servers
      services.set(this.name('s'), { ...service, servers })
    } else if (kind <= 70) services.set(name, { ...service, probePath: this.chance.pick(['/healthz', '/other']) })
    else if (kind <= 75) services.set(name, { ...service, balance: this.chance.pick(['leastRequest', 'roundRobin']) })
    else await this.movePath(services, name, service)
  }

  /** Gives a path of a service to another one, which may be new. */
  private async movePath(services: Map<string, Drawn>, name: string, service: Drawn): Promise<void> {
    const path = this.chance.pick(service.paths)
    const rest = service.paths.filter((each) => each !== path)
    const others = [...services.keys()].filter((each) => each !== name)
    if (rest.length === 0) services.delete(name)
    else services.set(name, { ...service, paths: rest })
    const taker = others.length > 0 && this.chance.percent(60) ? services.get(this.chance.pick(others)) : undefined
    const [known] = [...services].find(([, each]) => each === taker) ?? []
    if (taker !== undefined && known !== undefined) services.set(known, { ...taker, paths: [...taker.paths, path] })
    else services.set(this.name('s'), { ...service, paths: [path], servers: await this.servers() })
  }

  private async servers(): Promise<Record<string, string>> {
    const servers: Record<string, string> = {}
    for (let left = this.chance.between(1, 2); left > 0; left--) servers[this.name('server')] = await this.newServer()
    return servers
  }

  private name(kind: string): string {
    return `${kind}${++this.names}`
  }
}
