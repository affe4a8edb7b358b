import { tellOtherPolicies } from '../differences.ts'
import type { PoolDraft, ServerDraft, ServerTls, Settings, Target } from '../draft.ts'
import { appOf, isVersionName, nameOf } from '../names.ts'
import type { Report } from '../report.ts'
import { durationOf, percentOf, weightsWithin } from '../units.ts'
import type { Tree } from './tree.ts'

/** `web` of `web@docker`. */
export function baseName(name: string): string {
  return name.replace(/@.*$/, '')
}

/** Reads `http.services` and `http.serversTransports`. */
export class Services {
  private readonly trees: ReadonlyMap<string, Tree>
  private readonly transports: ReadonlyMap<string, Tree>
  /** Names of the services that are being read. */
  private readonly open = new Set<string>()
  private readonly report: Report

  constructor(http: Tree, report: Report) {
    this.trees = new Map(http.at('services')?.entries ?? [])
    this.transports = new Map(http.at('serversTransports')?.entries ?? [])
    this.report = report
  }

  /** The service that a router without one means: the only one there is. */
  get onlyName(): string | null {
    return this.trees.size === 1 ? ([...this.trees.keys()][0] ?? null) : null
  }

  /** The target for a service; null = there is none of that name, or nothing of it can be said. */
  target(given: string): Target | null {
    const name = baseName(given)
    const tree = this.trees.get(name)
    // A service may not be a part of itself.
    if (tree === undefined || this.open.has(name)) return null
    this.open.add(name)
    try {
      return this.read(name, tree)
    } finally {
      this.open.delete(name)
    }
  }

  private read(name: string, tree: Tree): Target | null {
    const [balanced, weighted, mirroring, failover] = ['loadBalancer', 'weighted', 'mirroring', 'failover'].map(
      (kind) => tree.at(kind),
    )
    if (weighted) return this.weighted(name, weighted)
    if (mirroring) return this.mirroring(mirroring)
    if (failover) return this.failover(name, failover)
    return balanced ? this.balanced(name, balanced) : null
  }

  private balanced(name: string, tree: Tree): Target {
    const { report } = this
    const tls = this.tlsOf(tree)
    const items = tree.at('servers')?.items ?? []
    const servers = items.flatMap((item, index) => this.server(item, `${nameOf(name)}-${index + 1}`, tls))
    const versions = items.map((item) => item.text(report, 'cutover-version'))
    const weights = weightsWithin(servers.map(({ weight }) => weight ?? 1))
    const named = servers.map((server, index) => ({ ...server, weight: weights[index] ?? 1 }))
    const strategy = tree.text(report, 'strategy')?.toLowerCase()
    const passes = tree.text(report, 'passHostHeader')
    const [only] = named
    const host = passes === 'false' && named.length === 1 && only !== undefined ? new URL(only.url).host : null
    const passHost = tree.at('passHostHeader')
    if (passes === 'false' && host === null && passHost !== null)
      report.leftOut(
        passHost.statement,
        'Cutover passes Host on, or sets one for all servers (headers.request.set.Host)',
      )
    return {
      names: namesOf(name),
      ...poolsOf(nameOf(name), named, versions),
      settings: {
        balance: strategy === 'p2c' ? 'leastRequest' : strategy === 'hrw' ? 'hash:ip' : 'roundRobin',
        ...this.sticky(tree, name),
        health: this.health(tree),
        passive: { maxFails: 0 },
        ...this.timeouts(tree),
        ...(host === null ? {} : { headers: { request: { set: { Host: host } } } }),
      },
    }
  }

  private server(item: Tree, name: string, tls: ServerTls | null): readonly ServerDraft[] {
    const { report } = this
    const given = item.text(report, 'url') ?? ''
    const weight = Number(item.text(report, 'weight') ?? 1)
    const ownName = item.text(report, 'cutover-name')
    const url = URL.canParse(given) ? new URL(given) : null
    if (url === null || !/^https?:$/.test(url.protocol)) {
      report.leftOut(item.statement, 'Cutover reaches servers by http:// or https://, host and port')
      return []
    }
    if (url.pathname !== '/')
      report.differs(item.statement, 'Cutover passes the path on as it came, without one of the server')
    if (item.text(report, 'preservePath') !== null) report.take(item.statement)
    return [
      { name: ownName ?? name, url: url.origin, weight, ...(url.protocol === 'https:' && tls !== null ? { tls } : {}) },
    ]
  }

  private sticky(tree: Tree, name: string): Settings {
    const cookie = tree.at('sticky', 'cookie')
    if (cookie === null) return {}
    const { report } = this
    const given = cookie.text(report, 'name')
    const seconds = cookie.text(report, 'maxAge')
    const ttl = seconds === null ? null : durationOf(seconds, 's')
    for (const key of ['secure', 'httpOnly', 'sameSite', 'path']) {
      const part = cookie.at(key)
      if (part !== null)
        report.notNeeded(part.statement, 'the cookie of Cutover is HttpOnly, SameSite=Lax, and Secure for https')
    }
    cookie.text(report)
    return { sticky: { cookie: given ?? `${nameOf(name)}_server`, ...(ttl === null || ttl === 0 ? {} : { ttl }) } }
  }

  private health(tree: Tree): NonNullable<Settings['health']> {
    const { report } = this
    const check = tree.at('healthCheck')
    const path = check?.text(report, 'path') ?? null
    if (check === null || path === null) return 'off'
    const text = (key: string) => check.text(report, key)
    const method = text('method')
    const methodTree = check.at('method')
    if (method !== null && method !== 'GET' && methodTree !== null)
      report.differs(methodTree.statement, 'Cutover checks by GET')
    const follows = check.at('followRedirects')
    if (follows !== null) report.notNeeded(follows.statement, 'statuses 300-399 pass')
    const headers = Object.fromEntries(
      (check.at('headers')?.entries ?? []).map(([key, value]) => [key, value.text(report) ?? '']),
    )
    const [status, port, host] = [text('status'), text('port'), text('hostname')]
    return {
      path: path.startsWith('/') ? path : `/${path}`,
      expect: status ?? '200-399',
      interval: durationOf(text('interval') ?? '30s', 's') || '30s',
      timeout: durationOf(text('timeout') ?? '5s', 's') || '5s',
      fall: 1,
      ...(port === null ? {} : { port: Number(port) }),
      ...(host === null ? {} : { host }),
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
    }
  }

  private transportOf(tree: Tree): Tree | null {
    const name = tree.text(this.report, 'serversTransport')
    return name === null ? null : (this.transports.get(baseName(name)) ?? null)
  }

  private tlsOf(tree: Tree): ServerTls | null {
    const transport = this.transportOf(tree)
    if (transport === null) return null
    const { report } = this
    const [ca] = transport.list(report, 'rootCAs')
    const serverName = transport.text(report, 'serverName')
    const certificate = transport.at('certificates')?.items[0]
    const [cert, key] = ['certFile', 'keyFile'].map((each) => certificate?.text(report, each) ?? null)
    return {
      ...(serverName === null ? {} : { serverName }),
      ...(ca === undefined ? {} : { ca }),
      ...(cert && key ? { cert, key } : {}),
      ...(transport.flag(report, 'insecureSkipVerify') ? { insecure: true } : {}),
    }
  }

  private timeouts(tree: Tree): Settings {
    const forwarding = this.transportOf(tree)?.at('forwardingTimeouts') ?? null
    const [connect, response] = ['dialTimeout', 'responseHeaderTimeout'].map((key) => {
      const text = forwarding?.text(this.report, key) ?? null
      return text === null ? null : durationOf(text, 's')
    })
    const timeouts = { ...(connect == null ? {} : { connect }), ...(response == null ? {} : { response }) }
    return Object.keys(timeouts).length === 0 ? {} : { timeouts }
  }

  /** Services by weight: a pool for each. */
  private weighted(name: string, tree: Tree): Target | null {
    const { report } = this
    const parts = (tree.at('services')?.items ?? []).flatMap((item) => {
      const weight = Number(item.text(report, 'weight') ?? 1)
      const target = this.target(item.text(report, 'name') ?? '')
      if (target === null) report.leftOut(item.statement, 'there is no such service in this file')
      return target === null ? [] : [{ target, weight, item }]
    })
    const [first] = parts
    if (first === undefined) return null
    for (const { target, item } of parts) tellOtherPolicies(item.statement, first.target, target, report)
    const weights = new Map(parts.map(({ target, weight }) => [target.pools[0]?.name ?? '', weight]))
    const split = percentOf(weights)
    const cookie = tree.at('sticky', 'cookie')
    if (cookie !== null) {
      cookie.text(report, 'name')
      report.differs(cookie.statement, 'the cookie that keeps a client in its pool is cutover_id (splitBy: cookie)')
      for (const leaf of cookie.leaves) report.take(leaf)
    }
    return {
      names: namesOf(name),
      pools: parts.flatMap(({ target }) => target.pools.slice(0, 1)),
      ...(split === null || parts.length < 2 ? {} : { split }),
      settings: { ...(cookie === null ? {} : { splitBy: 'cookie' }), ...first.target.settings },
    }
  }

  private mirroring(tree: Tree): Target | null {
    const { report } = this
    const main = this.target(tree.text(report, 'service') ?? '')
    const [mirror, ...more] = tree.at('mirrors')?.items ?? []
    for (const each of more) report.leftOut(each.statement, 'a service of Cutover has one mirror')
    const copy = this.target(mirror?.text(report, 'name') ?? '')
    const percent = Number(mirror?.text(report, 'percent') ?? 0)
    const [pool] = copy?.pools ?? []
    if (main === null || pool === undefined || mirror === undefined) return main
    report.differs(mirror.statement, 'Cutover copies GET and HEAD unless mirror.methods names more')
    const split = main.split ?? { [main.pools[0]?.name ?? '']: 100 }
    return {
      ...main,
      pools: [...main.pools, pool],
      split,
      settings: { ...main.settings, mirror: { to: pool.name, percent } },
    }
  }

  /** A service with another one for the worst case: its servers are backups. */
  private failover(name: string, tree: Tree): Target | null {
    const main = this.target(tree.text(this.report, 'service') ?? '')
    const fallback = this.target(tree.text(this.report, 'fallback') ?? '')
    const [pool] = main?.pools ?? []
    if (main === null || pool === undefined) return main
    const backups = (fallback?.pools[0]?.servers ?? []).map((server): ServerDraft => ({ ...server, backup: true }))
    const whole: PoolDraft = { ...pool, servers: [...pool.servers, ...backups] }
    return { ...main, names: namesOf(name), pools: [whole] }
  }
}

/** The servers in one pool, or, if each has a version, in one pool for each version. */
function poolsOf(
  name: string,
  servers: readonly ServerDraft[],
  versions: readonly (string | null)[],
): Pick<Target, 'pools' | 'split'> {
  const groups = Map.groupBy(servers, (server) => versions[servers.indexOf(server)] ?? null)
  if (groups.size < 2 || groups.has(null)) return { pools: [{ name, servers }] }
  const weights = new Map(
    [...groups].map(([version, of]) => [version ?? name, of.reduce((sum, { weight }) => sum + (weight ?? 1), 0)]),
  )
  const pools = [...groups].map(([version, of]) => {
    const isEven = of.every(({ weight }) => weight === of[0]?.weight)
    return { name: version ?? name, servers: isEven ? of.map((server) => ({ ...server, weight: 1 })) : of }
  })
  const split = percentOf(weights)
  return { pools, ...(split === null ? {} : { split }) }
}

function namesOf(name: string): readonly string[] {
  return isVersionName(name) ? [] : [appOf(name) ?? name]
}
