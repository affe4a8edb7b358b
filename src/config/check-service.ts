import { listed } from '../model/names.ts'
import type { PoolSpec, ServiceSpec, Split } from '../model/spec.ts'
import { shareOf, WHOLE } from '../model/split.ts'
import { checkBounds } from './check-bounds.ts'
import { checkServerTls, checkTlsFiles } from './check-tls.ts'
import type { Problem } from './config.ts'
import { discovering } from './discovering.ts'
import { checkHealth, healthOf } from './health-spec.ts'
import { childPath, Problems, quote, suggestion } from './problems.ts'
import { isKeyed, read } from './read.ts'
import { checkRolloutMeaning } from './rollout-spec.ts'
import { NAME_PATTERN, NAME_RULE } from './schema/kinds.ts'
import { ServiceSchema, type ServiceSettings } from './schema/service.ts'
import { balanceOf, checkTraffic, resolveTraffic } from './traffic-policies.ts'

export type CheckedService =
  | { readonly ok: true; readonly spec: ServiceSpec }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/**
 * Checks a service's definition as written in a file or through the admin API, and resolves it: defaults filled in,
 * durations in ms, sizes in bytes. Returns all problems at once, with paths below `path` (`services.shop`).
 */
export function checkService(name: string, source: unknown, path = ''): CheckedService {
  const problems = new Problems()
  const settings = read(ServiceSchema, source, path, problems)
  checkMeaning(settings, path, problems)
  const missing = missingSplit(settings)
  if (missing !== null && !problems.has(childPath(path, 'split'))) problems.add(childPath(path, 'split'), missing)
  if (!new RegExp(NAME_PATTERN).test(name)) problems.add(path, `${quote(name)} cannot be a name; ${NAME_RULE}`)
  return problems.list.length === 0 ? { ok: true, spec: resolve(settings) } : { ok: false, problems: problems.list }
}

/** Like `checkService`, for a new definition: the files that it names must exist, and it must not exceed the limits. */
export function checkNewService(name: string, source: unknown, path = ''): CheckedService {
  const checked = checkService(name, source, path)
  if (!checked.ok) return checked
  const problems = new Problems()
  checkTlsFiles(checked.spec.pools, path, problems)
  checkBounds(checked.spec, path, problems)
  return problems.list.length === 0 ? checked : { ok: false, problems: problems.list }
}

/** Checks beyond the schema. `settings` may have gaps where `problems` already has an entry. */
export function checkMeaning(settings: ServiceSettings, path: string, problems: Problems): void {
  if (!isKeyed(settings)) return
  if (isKeyed(settings.pools)) {
    checkSplit(settings.split, Object.keys(settings.pools), path, problems)
    checkServerTls(settings.pools, path, problems)
    checkHealth(settings.health, settings.pools, path, problems)
    checkTraffic(settings, Object.keys(settings.pools), path, problems)
    if (settings.rollout !== undefined) checkRolloutMeaning(settings.rollout, childPath(path, 'rollout'), problems)
  }
}

function checkSplit(split: Split | undefined, pools: readonly string[], path: string, problems: Problems): void {
  const at = childPath(path, 'split')
  const [first] = pools
  if (first === undefined && !problems.has(childPath(path, 'pools')))
    problems.add(childPath(path, 'pools'), 'must not be empty: a service needs a pool')
  if (problems.has(at) || split === undefined) return
  const known = new Set(pools)
  const names = listed(pools)
  for (const pool of Object.keys(split)) {
    if (known.has(pool)) continue
    const hint = problems.areEnough ? '' : suggestion(pool, pools)
    problems.add(childPath(at, pool), `no such pool${hint} (${names})`)
  }
  const sum = Object.keys(split).reduce((hundredths, pool) => hundredths + shareOf(split, pool), 0)
  if (sum !== WHOLE) problems.add(at, `must sum to 100, not ${sum / 100}`)
}

/**
 * Returns the problem of a definition with several pools and no split; null = no problem. The definition of an existing
 * service may leave the split out: the current one stays (`withKnownSplit`).
 */
export function missingSplit(service: unknown): string | null {
  if (!isKeyed(service) || !isKeyed(service.pools) || service.split !== undefined) return null
  const [first, second] = Object.keys(service.pools)
  return second === undefined ? null : `is missing; say which pool gets the traffic, such as {${first}: 100}`
}

/** Converts the settings of a service without problems to the model's spec. */
export function resolve(settings: ServiceSettings): ServiceSpec {
  const { health, passive, retry, timeouts, connections, drain } = settings
  const pools = Object.entries(settings.pools).map(([name, pool]): [string, PoolSpec] => [
    name,
    { version: pool.version ?? name, servers: discovering(pool.servers, settings.dns) },
  ])
  return {
    hosts: [...new Set(settings.hosts)],
    paths: [...new Set(settings.paths)],
    stripPrefix: settings.stripPrefix,
    pools: Object.fromEntries(pools),
    split: settings.split ?? Object.fromEntries(pools.map(([name]) => [name, 100])),
    balance: balanceOf(settings.balance),
    traffic: resolveTraffic(settings),
    versionHeader: settings.versionHeader,
    health: health && healthOf(health, settings.versionHeader),
    passive: { maxFails: passive.maxFails, failTimeoutMs: passive.failTimeout, maxEjected: passive.maxEjected },
    panic: settings.panic,
    retry: {
      attempts: retry.attempts,
      on: [...new Set(retry.on)],
      statuses: [...new Set(retry.statuses)],
      methods: [...new Set(retry.methods)],
      budget: retry.budget / 100,
      bodyBytes: retry.bodyBytes,
    },
    timeouts: {
      connectMs: timeouts.connect,
      responseMs: timeouts.response,
      idleMs: timeouts.idle,
      queueMs: timeouts.queue,
    },
    handoverMs: timeouts.handover,
    connections: { perServer: connections.perServer, keepAliveMs: connections.keepAlive },
    drain: { timeoutMs: drain.timeout, websockets: drain.websockets },
    minReady: settings.minReady,
  }
}
