import { isIP } from 'node:net'
import { checkService } from './config/check-service.ts'
import type { Config, Problem } from './config/config.ts'
import { childPath } from './config/problems.ts'
import { problemOf } from './control/server-names.ts'
import { lookUp } from './discovery/lookup.ts'
import type { ServerSpec } from './model/spec.ts'
import { DnsClient, lookUpBySystem } from './net/dns-client.ts'

/** Max time for all lookups together, ms. */
const WITHIN_MS = 5_000
/** Max number of names that are looked up: each costs a question to a DNS server. */
const MAX_NAMES = 1_000

/** Names of servers that are not found now, with the paths of the servers. They are no errors: they may be found later. */
export async function nameWarnings(config: Config): Promise<readonly Problem[]> {
  const client = new DnsClient(config.dns)
  const byName = new Map<string, { readonly spec: ServerSpec; readonly paths: string[] }>()
  for (const { path, spec } of serversIn(config)) {
    const name = spec.discover === undefined ? hostOf(spec.url) : `${spec.discover.records} ${spec.discover.name}`
    if (name === null) continue
    const known = byName.get(name)
    if (known !== undefined) known.paths.push(path)
    else if (byName.size < MAX_NAMES) byName.set(name, { spec, paths: [path] })
  }
  const late = new Promise<null>((resolve) => setTimeout(resolve, WITHIN_MS, null).unref())
  const found = [...byName.values()].map(async ({ spec, paths }) => {
    const { discover } = spec
    const host = discover?.name ?? hostOf(spec.url) ?? ''
    const asked = discover === undefined ? lookUpBySystem(host) : lookUp(client, discover, [])
    const outcome = (await Promise.race([asked, late]))?.outcome ?? 'timeout'
    const problem = problemOf(outcome)
    if (problem === null) return []
    return paths.map((path) => ({ path, message: `${host} is not found: ${problem}` }))
  })
  return (await Promise.all(found)).flat()
}

function* serversIn(config: Config): Iterable<{ readonly path: string; readonly spec: ServerSpec }> {
  for (const [name, source] of Object.entries(config.services)) {
    const checked = checkService(name, source)
    if (!checked.ok) continue
    for (const [pool, { servers }] of Object.entries(checked.spec.pools))
      for (const [server, spec] of Object.entries(servers)) {
        const path = ['services', name, 'pools', pool, 'servers', server].reduce(
          (parent, key) => childPath(parent, key),
          '',
        )
        yield { path, spec }
      }
  }
}

/** The host name in a URL; null = it has an address, or none. */
function hostOf(url: string): string | null {
  const [, host = ''] = /^[a-z0-9+]+:\/\/(\[[^\]]*\]|[^:/]*)/.exec(url) ?? []
  return host === '' || host.startsWith('[') || isIP(host) !== 0 ? null : host
}
