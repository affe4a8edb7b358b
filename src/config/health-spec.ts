import type { HealthSpec, ProbeKind } from '../model/spec.ts'
import { testsOf } from './match.ts'
import { childPath, type Problems } from './problems.ts'
import { isKeyed } from './read.ts'
import type { ServiceSettings } from './schema/service.ts'

type Settings = Exclude<ServiceSettings['health'], null>
type Pools = ServiceSettings['pools']

const KINDS = ['grpc', 'tcp', 'tls'] as const
/** Schemes of servers without TLS. */
const WITHOUT_TLS = /^(?:http|h2c|unix|srv):/
/** What a probe that is no HTTP request has no use for, with the value that means nothing was set. */
const OF_HTTP: Readonly<Record<string, unknown>> = { path: '/healthz', body: '' }
/** What a probe without a request has no use for either. */
const OF_REQUESTS: Readonly<Record<string, unknown>> = { ...OF_HTTP, host: '' }

/** Converts the settings of health checks to those of the model. */
export function healthOf(health: Settings, versionHeader: string): HealthSpec {
  const { expect } = health
  const more = 'status' in expect ? expect : { status: expect }
  const probe = probeOf(health)
  return {
    ...(probe === undefined ? {} : { probe }),
    path: health.path,
    intervalMs: health.interval,
    timeoutMs: health.timeout,
    rise: health.rise,
    fall: health.fall,
    expect: more.status,
    ...('header' in more && more.header ? { expectHeaders: testsOf(more.header, (name) => name.toLowerCase()) } : {}),
    ...('json' in more && more.json ? { expectJson: more.json } : {}),
    host: health.host,
    port: health.port,
    headers: health.headers,
    body: health.body,
    ...(versionHeader === '' ? {} : { versionHeader }),
  }
}

function probeOf({ grpc, tcp, tls }: Settings): ProbeKind | undefined {
  if (grpc !== undefined) return { grpc }
  return tcp === true ? 'tcp' : tls === true ? 'tls' : undefined
}

/**
 * Checks that the settings of health checks go together, and that the servers can be checked so. `health` and `pools` may
 * have gaps where `problems` already has an entry.
 */
export function checkHealth(
  health: ServiceSettings['health'] | undefined,
  pools: Pools,
  path: string,
  problems: Problems,
): void {
  if (!isKeyed(health)) return
  const settings = health as Settings
  const at = childPath(path, 'health')
  const [kind, other] = KINDS.filter((each) => settings[each] !== undefined && settings[each] !== false)
  if (kind === undefined) {
    checkBodies(settings, at, problems)
  } else if (other !== undefined) {
    problems.add(childPath(at, other), `cannot be used with ${kind}; a server is probed in one way`)
  } else checkUnused(settings, kind, at, problems)
  const { port } = settings
  for (const { name, url } of serversIn(pools)) {
    if (kind === 'tls' && WITHOUT_TLS.test(url))
      problems.add(childPath(at, 'tls'), `needs https:// servers, and ${name} is ${url}; use tcp, or https:// there`)
    if (port !== 0 && url.startsWith('unix:'))
      problems.add(childPath(at, 'port'), `cannot be used with ${name}, which is at a socket file; leave it out`)
  }
}

/** Reading a text and reading JSON are two ways to look at one body. */
function checkBodies({ body, expect }: Settings, at: string, problems: Problems): void {
  if (isKeyed(expect) && expect.json !== undefined && body !== undefined && body !== '')
    problems.add(childPath(at, 'body'), 'cannot be used with expect.json; name the value there')
}

function checkUnused(settings: Settings, kind: (typeof KINDS)[number], at: string, problems: Problems): void {
  const unused = kind === 'grpc' ? OF_HTTP : OF_REQUESTS
  const how = { grpc: 'a call of the gRPC health service', tcp: 'a connection alone', tls: 'a TLS handshake alone' }
  const refuse = (key: string): void =>
    problems.add(childPath(at, key), `cannot be used with ${kind}: ${how[kind]} has none`)
  for (const [key, unset] of Object.entries(unused)) {
    const value = settings[key as keyof Settings]
    if (value !== undefined && value !== unset) refuse(key)
  }
  if (kind !== 'grpc' && Object.keys(settings.headers ?? {}).length > 0) refuse('headers')
  const { expect } = settings
  const isDefault = Array.isArray(expect) && expect.length === 1 && expect[0]?.[0] === 200 && expect[0][1] === 299
  if (expect !== undefined && !isDefault)
    problems.add(childPath(at, 'expect'), `cannot be used with ${kind}, which passes or fails by itself; leave it out`)
}

function serversIn(pools: Pools): readonly { readonly name: string; readonly url: string }[] {
  return Object.values(pools).flatMap((pool) => {
    if (!isKeyed(pool) || !isKeyed(pool.servers)) return []
    return Object.entries<{ readonly url?: string } | undefined>(pool.servers).flatMap(([name, server]) =>
      isKeyed(server) && typeof server.url === 'string' ? [{ name, url: server.url }] : [],
    )
  })
}
