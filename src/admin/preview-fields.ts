import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { ServiceSpec } from '../model/spec.ts'
import type { ListenAddress } from '../net/listen-address.ts'

/** Fields that concern one hop, or that the library cannot forward. */
const NOT_FORWARDED = ['expect', 'keep-alive', 'te', 'trailer', 'proxy-authorization', 'proxy-connection', 'upgrade']

/** Fields that describe the client to an app. Cutover sets them, and drops those of the request. */
const SET_ANEW: ReadonlySet<string> = new Set([
  ...['host', 'forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'],
  ...['x-forwarded-prefix', 'x-request-id'],
])

/** A request for a preview. */
export interface PreviewRequest {
  readonly headers: IncomingHttpHeaders
  /** Its Host field. */
  readonly askedHost: string
  /** Address of the client; undefined at a socket file, and in this process. */
  readonly address: string | undefined
  readonly isHttps: boolean
  /** The listeners of the proxy: `X-Forwarded-Port` is the port of the first one. */
  readonly listen: readonly ListenAddress[]
}

/**
 * Header fields of a preview as its app gets them: as if the request had come through the data plane, with the service's
 * first host as Host. If the service has no host without a wildcard, Host stays as it was.
 */
export function fieldsAsByDataPlane({ hosts }: ServiceSpec, request: PreviewRequest): IncomingHttpHeaders {
  const { askedHost, address, isHttps, listen } = request
  const fields = Object.fromEntries(
    // Servers that read `_` as `-` (CGI, WSGI) would take such a field for ours.
    Object.entries(request.headers).filter(([name]) => !SET_ANEW.has(name.replaceAll('_', '-'))),
  )
  for (const name of NOT_FORWARDED) delete fields[name]
  const host = hosts.find((each) => !each.startsWith('*')) ?? askedHost
  const port = listen.find((each) => each.kind === 'tcp')?.port ?? 0
  return {
    ...fields,
    host,
    ...(address === undefined ? {} : { 'x-forwarded-for': address }),
    'x-forwarded-proto': isHttps ? 'https' : 'http',
    'x-forwarded-host': host,
    ...(port === 0 ? {} : { 'x-forwarded-port': String(port) }),
    'x-request-id': randomUUID(),
    via: fields.via === undefined ? '1.1 cutover' : `${fields.via}, 1.1 cutover`,
  }
}

/** Adds the slash behind the pool if it is missing: without it, relative links of a page would lead out of the preview. */
export function withSlash(url: string): string {
  return url.replace(/^(\/preview\/[^/?]+\/[^/?]+)(?=\?|$)/, '$1/')
}
