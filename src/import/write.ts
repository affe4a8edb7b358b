import { Document, isMap, isScalar, isSeq, type Pair, type Scalar, visit, type YAMLMap } from 'yaml'
import type { ListenDraft, PoolDraft, ProxyDraft, ServerDraft } from './draft.ts'
import type { ServiceDraft } from './services.ts'

/** Longest collection that is written on one line. */
const MAX_FLOW = 90

/** Writes the file, with `header` as comment lines on top. */
export function writeYaml(proxy: ProxyDraft, services: readonly ServiceDraft[], header: readonly string[]): string {
  const proxySection = { ...proxyOf(proxy) }
  const document = new Document(
    {
      ...(Object.keys(proxySection).length === 0 ? {} : { proxy: proxySection }),
      services: Object.fromEntries(services.map((service) => [service.name, serviceOf(service)])),
    },
    { aliasDuplicateObjects: false },
  )
  const isEmpty = Object.keys(proxySection).length === 0
  document.commentBefore = commentOf(isEmpty ? [...header, ...proxy.comments] : header)
  const root = document.contents as unknown as YAMLMap
  comment(root, ['proxy'], proxy.comments)
  for (const service of services) {
    comment(root, ['services', service.name], service.comments)
    for (const pool of service.pools) commentPool(root, ['services', service.name, 'pools', pool.name], pool)
  }
  const servicesNode = root.get('services')
  if (isMap(servicesNode))
    for (const [index, item] of servicesNode.items.entries()) if (index > 0) (item.key as Scalar).spaceBefore = true
  compact(document)
  return document.toString({ lineWidth: 0, flowCollectionPadding: true })
}

function proxyOf({ listen, workers, trustedProxies, limits, timeouts, accessLog }: ProxyDraft): object {
  const listeners = listen.map(listenerOf)
  return {
    ...(listeners.length === 0 ? {} : { listen: listeners.length === 1 ? listeners[0] : listeners }),
    ...(workers === undefined ? {} : { workers }),
    ...(trustedProxies.length === 0 ? {} : { trustedProxies }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
    ...(Object.keys(timeouts).length === 0 ? {} : { timeouts }),
    ...(accessLog === undefined ? {} : { accessLog }),
  }
}

function listenerOf({ address, proxyProtocol }: ListenDraft): unknown {
  return proxyProtocol === true ? { address, proxyProtocol } : address
}

function serviceOf(service: ServiceDraft): object {
  const { hosts, paths, stripPrefix, pools, split, settings, routes, minReady } = service
  return {
    ...(hosts.length === 0 ? {} : { hosts }),
    ...(paths.length === 1 && paths[0] === '/' ? {} : { paths }),
    ...(stripPrefix ? { stripPrefix } : {}),
    pools: Object.fromEntries(pools.map((pool) => [pool.name, poolOf(pool)])),
    ...(split === null ? {} : { split }),
    ...(routes.length === 0 ? {} : { routes }),
    ...settings,
    ...(minReady === undefined ? {} : { minReady }),
  }
}

function poolOf({ servers }: PoolDraft): object {
  return servers.length === 0 ? {} : { servers: Object.fromEntries(servers.map((each) => [each.name, serverOf(each)])) }
}

function serverOf({ url, weight, backup, tls, proxyProtocol }: ServerDraft): unknown {
  const more = {
    ...(weight === undefined || weight === 1 ? {} : { weight }),
    ...(backup === true ? { backup } : {}),
    ...(tls === undefined ? {} : { tls }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
  }
  return Object.keys(more).length === 0 ? url : { url, ...more }
}

function commentPool(root: YAMLMap, path: readonly string[], { comment: text, servers }: PoolDraft): void {
  if (text !== undefined) comment(root, path, [text])
  for (const { name, comment: ofServer } of servers) {
    if (ofServer === undefined) continue
    const value = pairAt(root, [...path, 'servers', name])?.value
    if (isScalar(value) || isMap(value)) value.comment = ` ${ofServer}`
  }
}

/** Puts lines above a key. */
function comment(root: YAMLMap, path: readonly string[], lines: readonly string[]): void {
  const key = pairAt(root, path)?.key
  if (lines.length > 0 && isScalar(key)) key.commentBefore = commentOf(lines)
}

function commentOf(lines: readonly string[]): string {
  return lines.map((line) => ` ${line.replace(/[\r\n]+/g, ' ')}`).join('\n')
}

function pairAt(root: YAMLMap, path: readonly string[]): Pair | undefined {
  let map: unknown = root
  let found: Pair | undefined
  for (const key of path) {
    if (!isMap(map)) return undefined
    found = map.items.find((pair) => isScalar(pair.key) && pair.key.value === key)
    map = found?.value
  }
  return found
}

/** Writes small collections on one line, doubles each `$`, and puts texts in quotes that other readers of YAML would take for something else. */
function compact(document: Document): void {
  visit(document, {
    Scalar: (key, node) => {
      if (key === 'key' || typeof node.value !== 'string') return
      const text = node.value.replaceAll('$', '$$$$')
      node.value = text
      if (/^(yes|no|on|y|n)$|^:/i.test(text)) node.type = 'QUOTE_DOUBLE'
    },
    Collection: (_key, node, path) => {
      const depth = path.length
      const size = JSON.stringify(node).length
      const hasComment = node.items.some((item) => hasOwnComment(item))
      if (depth > 4 && size < MAX_FLOW && !hasComment) node.flow = true
      else if (isSeq(node) && node.items.every((item) => isScalar(item)) && size < MAX_FLOW) node.flow = true
    },
  })
}

function hasOwnComment(item: unknown): boolean {
  const { key, value } = item as { key?: { commentBefore?: string }; value?: { comment?: string; items?: unknown[] } }
  return Boolean(key?.commentBefore || value?.comment || value?.items?.some(hasOwnComment))
}
