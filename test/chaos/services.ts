/** The services of the fleet: each has a pool of two servers that serves and another one to switch to. */
export const SERVICES = ['shop', 'cart'] as const
export type ServiceName = (typeof SERVICES)[number]

const POOLS: Readonly<Record<string, readonly string[]>> = { blue: ['blue1', 'blue2'], green: ['green1', 'green2'] }
export const POOL_NAMES = Object.keys(POOLS)
export const SERVER_NAMES = Object.values(POOLS).flat()

/** A server by the names of its service and its own, as records of requests have it. */
export function fullName(service: string, server: string): string {
  return `${service}/${server}`
}

export const ALL_SERVERS = SERVICES.flatMap((service) => SERVER_NAMES.map((server) => fullName(service, server)))

/** The servers of a pool, or the server of that name. */
export function serversNamed(service: string, poolOrServer: string): readonly string[] {
  return (POOLS[poolOrServer] ?? [poolOrServer]).map((server) => fullName(service, server))
}

/** The `services` section; `responseSeconds`: a policy in which one version of the file differs from another. */
export function services(ports: Readonly<Record<string, number>>, responseSeconds = 30): object {
  return Object.fromEntries(SERVICES.map((name) => [name, service(name, ports, responseSeconds)]))
}

function service(name: ServiceName, ports: Readonly<Record<string, number>>, responseSeconds: number): object {
  const pools = Object.entries(POOLS).map(([pool, servers]) => {
    const urls = servers.map((server) => [server, `http://127.0.0.1:${ports[fullName(name, server)]}`])
    return [pool, { servers: Object.fromEntries(urls) }]
  })
  return {
    hosts: [`${name}.test`],
    pools: Object.fromEntries(pools),
    split: { blue: 100 },
    health: { interval: '250ms' },
    // The servers are never in trouble: what fails shows at once, instead of being mended by another try.
    retry: { attempts: 1 },
    timeouts: { response: `${responseSeconds}s` },
  }
}
