import { createHash } from 'node:crypto'
import { type HookSettings, NO_HOOKS } from '../model/hooks.ts'
import type { JsonObject } from '../model/state.ts'
import { formatListen, isLoopback, type ListenAddress } from '../net/listen-address.ts'
import { checkAccessLog } from './check-access-log.ts'
import { checkBounds, tooManyRoutes } from './check-bounds.ts'
import { checkMeaning } from './check-service.ts'
import { checkStoreTls, checkTlsFiles } from './check-tls.ts'
import type { AdminToken, Config, Problem, ProxyListener, RedisTopology } from './config.ts'
import { canonicalJson, mergePatch } from './merge.ts'
import { refuseListenNotYet } from './not-yet.ts'
import { findOverlaps } from './overlaps.ts'
import { childPath, Problems } from './problems.ts'
import { isKeyed, read } from './read.ts'
import { readHooks } from './read-hooks.ts'
import { FileSchema, type FileSettings } from './schema/file.ts'

/** Default mode of the admin API's socket: without tokens, whoever may open it may do everything. */
const ADMIN_SOCKET_MODE = 0o600

interface Listen {
  readonly address: ListenAddress
  readonly mode?: number
}

export type CheckedConfig =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly problems: readonly Problem[] }

/** Checks a whole configuration after interpolation; returns the problems of all sections and services at once. */
export function checkConfig(raw: unknown): CheckedConfig {
  const problems = new Problems()
  const settings = read(FileSchema, raw, '', problems)
  let hooks = NO_HOOKS
  if (isKeyed(settings)) {
    checkListeners(settings, problems)
    checkTokens(settings, problems)
    if (isKeyed(settings.store?.tls) && !problems.has('store.tls')) checkStoreTls(settings.store.tls, problems)
    checkServices(settings, problems)
    if (!problems.has('proxy.accessLog')) checkAccessLog(settings.proxy, problems)
    checkWebhooks(settings, problems)
    // Last, since it runs the program only if there are no other problems.
    if (!problems.has('proxy')) hooks = readHooks(settings.proxy, problems)
  }
  return problems.list.length === 0
    ? { ok: true, config: resolve(settings, raw as JsonObject, hooks) }
    : { ok: false, problems: problems.list }
}

function checkListeners({ proxy, admin }: FileSettings, problems: Problems): void {
  const taken = new Map<string, string>()
  const take = (address: ListenAddress, at: string) => {
    const text = formatListen(address)
    const owner = taken.get(text)
    if (owner !== undefined) problems.add(at, `${text} is taken by ${owner}`)
    if (address.kind !== 'tcp' || address.port !== 0) taken.set(text, at)
  }
  if (!problems.has('proxy.listen')) {
    for (const [index, { address }] of [proxy.listen].flat().entries()) {
      take(address, Array.isArray(proxy.listen) ? childPath('proxy.listen', index) : 'proxy.listen')
    }
    refuseListenNotYet(proxy.listen, 'proxy.listen', problems)
    checkMode(proxy.listen, 'proxy.listen', problems)
    checkProxyProtocol(proxy, problems)
  }
  if (!problems.has('admin.listen')) {
    take(admin.listen.address, 'admin.listen')
    refuseListenNotYet(admin.listen, 'admin.listen', problems)
    checkMode(admin.listen, 'admin.listen', problems)
    refuseOpen(admin.listen.address, 'admin.listen', admin, problems)
  }
  if (problems.has('admin.preview') || admin.preview === null) return
  take(admin.preview, 'admin.preview')
  refuseOpen(admin.preview, 'admin.preview', admin, problems)
}

/** Refuses a listener that other machines can reach while there are no tokens. */
function refuseOpen(address: ListenAddress, at: string, { tokens }: FileSettings['admin'], problems: Problems): void {
  if (problems.has('admin.tokens') || tokens.length > 0 || isLoopback(address)) return
  problems.add(at, 'only loopback may listen without tokens; add admin.tokens or listen on 127.0.0.1')
}

/** Refuses `mode` for anything but a socket file. */
function checkMode(listen: FileSettings['proxy']['listen'], path: string, problems: Problems): void {
  for (const [index, { address, mode }] of [listen].flat().entries()) {
    if (mode === undefined || address.kind === 'unix') continue
    const at = Array.isArray(listen) ? childPath(path, index) : path
    problems.add(childPath(at, 'mode'), 'is for unix sockets only; leave it out')
  }
}

/** Requires trustedProxies with the PROXY protocol; at a socket file, its permissions decide who may connect. */
function checkProxyProtocol({ listen, trustedProxies }: FileSettings['proxy'], problems: Problems): void {
  const asks = [listen].flat().some(({ address, proxyProtocol }) => proxyProtocol === true && address.kind !== 'unix')
  const namesNetworks = trustedProxies.some((entry) => entry !== 'unix')
  if (!asks || problems.has('proxy.trustedProxies') || namesNetworks) return
  problems.add(
    'proxy.trustedProxies',
    'names no network; with proxyProtocol, name the networks that may say who the client is',
  )
}

function checkTokens({ admin, fleet }: FileSettings, problems: Problems): void {
  if (problems.has('admin.tokens')) return
  const owners = new Map<string, string>()
  for (const [index, { name, token, tokenHash }] of admin.tokens.entries()) {
    const at = childPath('admin.tokens', index)
    if ((token === undefined) === (tokenHash === undefined)) problems.add(at, 'needs either token or tokenHash')
    const first = admin.tokens.findIndex((other) => other.name === name)
    if (first !== index)
      problems.add(childPath(at, 'name'), `is the name of ${childPath('admin.tokens', first)} as well`)
    const secret = digestOf(admin.tokens[index] ?? {}).toString('hex')
    const owner = owners.get(secret)
    if (owner === undefined && secret !== '') owners.set(secret, at)
    if (owner !== undefined)
      problems.add(at, `has the same secret as ${owner}; give each its own, so that the history can tell them apart`)
  }
  if (fleet.token === undefined) return
  const owner = owners.get(digestOf(fleet).toString('hex'))
  // A client with that token would be taken for an instance.
  if (owner !== undefined) problems.add('fleet.token', `is the secret of ${owner} as well; give each its own`)
}

/** Refuses a url that stands twice: the position in the events is kept by url. */
function checkWebhooks({ webhooks }: FileSettings, problems: Problems): void {
  if (problems.has('webhooks')) return
  for (const [index, { url }] of webhooks.entries()) {
    const first = webhooks.findIndex((other) => other.url === url)
    const at = childPath(childPath('webhooks', index), 'url')
    if (first !== index) problems.add(at, `is that of ${childPath('webhooks', first)} as well; name all types there`)
  }
}

function checkServices({ services }: FileSettings, problems: Problems): void {
  if (!isKeyed(services)) return
  for (const [name, service] of Object.entries(services)) {
    const path = childPath('services', name)
    checkMeaning(service, path, problems)
    if (!isKeyed(service)) continue
    if (isKeyed(service.pools)) checkTlsFiles(service.pools, path, problems)
    checkBounds(service, path, problems)
  }
  const located = Object.entries(services).filter(([name]) => {
    const path = childPath('services', name)
    return !problems.has(childPath(path, 'hosts')) && !problems.has(childPath(path, 'paths'))
  })
  const tooMany = tooManyRoutes(located.map(([, service]) => service))
  if (tooMany !== null) {
    problems.add('services', tooMany)
    return
  }
  for (const { path, message } of findOverlaps(Object.fromEntries(located))) problems.add(path, message)
}

function resolve(settings: FileSettings, raw: JsonObject, hooks: HookSettings): Config {
  const { proxy, shutdown, admin, store, fleet, telemetry, configVersion } = settings
  // A null means the default. Definitions are kept without nulls, so that merge patches can change them.
  const services = mergePatch({}, raw.services ?? {}) as Config['services']
  return {
    proxy: {
      listen: [proxy.listen].flat().map(proxyListener),
      workers: proxy.workers,
      trustedProxies: proxy.trustedProxies,
      limits: proxy.limits,
      timeouts: {
        headerMs: proxy.timeouts.header,
        requestMs: proxy.timeouts.request,
        keepAliveMs: proxy.timeouts.keepAlive,
        idleBodyMs: proxy.timeouts.idleBody,
        tunnelMs: proxy.timeouts.tunnel,
      },
      forwarding: proxy.forwarding,
      accessLog: proxy.accessLog,
    },
    hooks,
    shutdown: { acceptForMs: shutdown.acceptFor, timeoutMs: shutdown.timeout === 0 ? null : shutdown.timeout },
    admin: {
      listen: listenAddress({ mode: ADMIN_SOCKET_MODE, ...admin.listen }),
      hosts: admin.hosts,
      tokens: admin.tokens.map(hashed),
      trustedProxies: admin.trustedProxies,
      connections: admin.connections,
      preview: admin.preview,
      readyAllow: admin.readyAllow,
    },
    store: { redis: topology(store.redis), tls: store.tls ?? null, prefix: store.prefix, path: store.path },
    fleet: { name: fleet.name ?? null, address: fleet.address ?? null, token: fleet.token ?? null },
    telemetry: { tracing: telemetry.tracing.endpoint === '' ? null : telemetry.tracing },
    webhooks: settings.webhooks,
    configVersion: configVersion ?? null,
    services,
    hasServices: raw.services !== undefined && raw.services !== null,
    servicesHash: sha256(canonicalJson(services)).toString('hex'),
  }
}

function topology(redis: FileSettings['store']['redis']): RedisTopology | null {
  if (typeof redis === 'string') return redis === '' ? null : { kind: 'single', url: redis }
  if ('sentinels' in redis) return { kind: 'sentinel', ...redis }
  const { cluster, ...rest } = redis
  return { kind: 'cluster', nodes: cluster, ...rest }
}

function proxyListener({
  proxyProtocol,
  h2c,
  ...listen
}: Listen & { readonly proxyProtocol?: boolean; readonly h2c?: boolean }): ProxyListener {
  return {
    ...listenAddress(listen),
    ...(proxyProtocol === true ? { proxyProtocol } : {}),
    ...(h2c === true ? { h2c } : {}),
  }
}

function listenAddress({ address, mode }: Listen): ListenAddress {
  return address.kind === 'unix' && mode !== undefined ? { ...address, mode } : address
}

function hashed({ name, role, ...secret }: FileSettings['admin']['tokens'][number]): AdminToken {
  return { name, role, sha256: digestOf(secret) }
}

/** SHA-256 of a token, given as itself or as its hash. */
function digestOf({ token, tokenHash = '' }: { readonly token?: string; readonly tokenHash?: string }): Buffer {
  return token === undefined ? Buffer.from(tokenHash.slice(-64), 'hex') : sha256(token)
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
