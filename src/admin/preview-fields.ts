import { randomUUID } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { ListenAddress } from '../config/config.ts'
import type { ServiceSpec } from '../model/spec.ts'

/** Fields that concern one hop, or that the library cannot forward. */
const NOT_FORWARDED = ['expect', 'keep-alive', 'te', 'trailer', 'proxy-authorization', 'proxy-connection', 'upgrade']

/** Fields that tell an app of its client: they are set anew, and nobody else's are believed. */
const SET_ANEW: ReadonlySet<string> = new Set([
  ...['host', 'forwarded', 'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-forwarded-port'],
  ...['x-forwarded-prefix', 'x-request-id'],
])

/** What is known of the request for a preview. */
export interface PreviewRequest {
  readonly headers: IncomingHttpHeaders
  /** The Host by which the preview was asked for. */
  readonly askedHost: string
  /** Of whoever asks; undefined at a socket file. */
  readonly address: string | undefined
  readonly isHttps: boolean
  /** Where clients connect: the app is told the port of the first address. */
  readonly listen: readonly ListenAddress[]
}

/**
 * The fields of a preview as its app gets them: as if the request had come to the service through the data plane, by the
 * first of its hosts. A service without a host of its own (none, or only wildcards) is told the one that was asked.
 */
export function fieldsAsByDataPlane({ hosts }: ServiceSpec, request: PreviewRequest): IncomingHttpHeaders {
  const { askedHost, address = 'unix', isHttps, listen } = request
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
    'x-forwarded-for': address,
    'x-forwarded-proto': isHttps ? 'https' : 'http',
    'x-forwarded-host': host,
    ...(port === 0 ? {} : { 'x-forwarded-port': String(port) }),
    'x-request-id': randomUUID(),
    via: fields.via === undefined ? '1.1 cutover' : `${fields.via}, 1.1 cutover`,
  }
}

/** The path of a preview with a slash behind its pool: without it, a page's relative links would lead out of the preview. */
export function withSlash(url: string): string {
  return url.replace(/^(\/preview\/[^/?]+\/[^/?]+)(?=\?|$)/, '$1/')
}
