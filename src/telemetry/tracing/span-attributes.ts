import { isIP } from 'node:net'
import type { Attributes } from '@opentelemetry/api'
import {
  ATTR_CLIENT_ADDRESS,
  ATTR_ERROR_TYPE,
  ATTR_HTTP_REQUEST_METHOD,
  ATTR_HTTP_REQUEST_METHOD_ORIGINAL,
  ATTR_HTTP_REQUEST_RESEND_COUNT,
  ATTR_HTTP_RESPONSE_STATUS_CODE,
  ATTR_NETWORK_PEER_ADDRESS,
  ATTR_NETWORK_PROTOCOL_VERSION,
  ATTR_SERVER_ADDRESS,
  ATTR_SERVER_PORT,
  ATTR_URL_FULL,
  ATTR_URL_PATH,
  ATTR_URL_QUERY,
  ATTR_URL_SCHEME,
  ATTR_USER_AGENT_ORIGINAL,
} from '@opentelemetry/semantic-conventions'
import { asHttp, readServerUrl } from '../../model/server-url.ts'
import { redactedQuery } from './redacted-query.ts'
import type { TracedRequest, TracedTry } from './traced-request.ts'

/** Methods that the conventions know; any other is `_OTHER`, since names of spans must not come from clients. */
const METHODS = new Set(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE', 'QUERY'])

/** Name of the spans of a request with this method. */
export function spanName(method: string): string {
  return METHODS.has(method) ? method : 'HTTP'
}

/** Attributes of the span of a request. Source: OpenTelemetry semantic conventions for HTTP server spans. */
export function requestAttributes(request: TracedRequest): Attributes {
  const { entry, status, target, scheme, peer } = request
  const [path, query] = split(target)
  const [address, port] = authority(entry.host, scheme)
  // After the tags, which must not stand in for what is known here.
  const attributes: Attributes = { ...entry.tags, ...methodAttributes(entry.method), [ATTR_URL_SCHEME]: scheme }
  put(attributes, ATTR_URL_PATH, path)
  put(attributes, ATTR_URL_QUERY, redactedQuery(query))
  put(attributes, ATTR_SERVER_ADDRESS, address)
  if (address !== '') attributes[ATTR_SERVER_PORT] = port
  attributes[ATTR_NETWORK_PROTOCOL_VERSION] = request.version === '2.0' ? '2' : request.version
  put(attributes, ATTR_NETWORK_PEER_ADDRESS, peer)
  if (isIP(entry.client) !== 0) attributes[ATTR_CLIENT_ADDRESS] = entry.client
  put(attributes, ATTR_USER_AGENT_ORIGINAL, request.userAgent)
  if (entry.tls !== null) {
    attributes['tls.protocol.name'] = 'tls'
    attributes['tls.protocol.version'] = entry.tls.version.replace('TLSv', '')
    attributes['tls.cipher'] = entry.tls.cipher
    put(attributes, 'tls.client.server_name', entry.tls.serverName)
  }
  if (status > 0) attributes[ATTR_HTTP_RESPONSE_STATUS_CODE] = status
  attributes['http.request.body.size'] = request.requestBytes
  attributes['http.response.body.size'] = entry.bytes
  put(attributes, ATTR_ERROR_TYPE, entry.error || (status >= 500 ? String(status) : ''))
  putPlace(attributes, entry.service, entry)
  attributes['cutover.request_id'] = entry.requestId
  attributes['cutover.attempts'] = entry.attempts
  if (entry.queueMs > 0) attributes['cutover.queue_ms'] = entry.queueMs
  if (entry.heldMs > 0) attributes['cutover.held_ms'] = entry.heldMs
  return attributes
}

/**
 * Whether the span of a request has failed: by a status of 500 or more, or because the response broke off. A client
 * that leaves, and a tunnel that is closed from here, are no failures.
 */
export function hasRequestFailed({ entry, status }: TracedRequest): boolean {
  if (status >= 500) return true
  return entry.error !== '' && entry.error !== 'client_gone' && status < 400 && status !== 101
}

/** Attributes of the span of a try, the `index`-th of its request from 0. Source: those for HTTP client spans. */
export function tryAttributes({ entry, serverTarget }: TracedRequest, each: TracedTry, index: number): Attributes {
  const { hostname, port, isHttp2 } = readServerUrl(each.url)
  const [path, query] = split(serverTarget)
  const attributes: Attributes = {
    ...methodAttributes(entry.method),
    [ATTR_URL_FULL]: `${asHttp(each.url)}${path}${query === '' ? '' : `?${redactedQuery(query)}`}`,
    [ATTR_SERVER_ADDRESS]: hostname,
    [ATTR_SERVER_PORT]: port,
    [ATTR_NETWORK_PROTOCOL_VERSION]: isHttp2 ? '2' : '1.1',
  }
  if (index > 0) attributes[ATTR_HTTP_REQUEST_RESEND_COUNT] = index
  if (each.status > 0) attributes[ATTR_HTTP_RESPONSE_STATUS_CODE] = each.status
  put(attributes, ATTR_ERROR_TYPE, each.error || (each.status >= 400 ? String(each.status) : ''))
  putPlace(attributes, entry.service, each)
  if (each.connectMs !== null) attributes['cutover.connect_ms'] = each.connectMs
  return attributes
}

/** Whether the span of a try has failed; for a client, a status of 400 or more is a failure as well. */
export function hasTryFailed({ status, error }: TracedTry): boolean {
  return status >= 400 || (error !== '' && error !== 'client_gone' && status !== 101)
}

function methodAttributes(method: string): Attributes {
  if (METHODS.has(method)) return { [ATTR_HTTP_REQUEST_METHOD]: method }
  return { [ATTR_HTTP_REQUEST_METHOD]: '_OTHER', [ATTR_HTTP_REQUEST_METHOD_ORIGINAL]: method }
}

function putPlace(
  attributes: Attributes,
  service: string,
  { pool, version, server }: Pick<TracedTry, 'pool' | 'version' | 'server'>,
): void {
  put(attributes, 'cutover.service', service)
  put(attributes, 'cutover.pool', pool)
  put(attributes, 'cutover.version', version)
  put(attributes, 'cutover.server', server)
}

function put(attributes: Attributes, name: string, value: string): void {
  if (value !== '') attributes[name] = value
}

/** Path and query of a request target. */
function split(target: string): readonly [path: string, query: string] {
  const mark = target.indexOf('?')
  return mark === -1 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
}

/** Name and port of a Host field, IPv6 without brackets. */
function authority(host: string, scheme: string): readonly [address: string, port: number] {
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(host) ?? []
  return [bracketed ?? plain ?? '', port === undefined ? defaultPort(scheme) : Number(port)]
}

function defaultPort(scheme: string): number {
  return scheme === 'https' ? 443 : 80
}
