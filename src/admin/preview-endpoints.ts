import { isDeepStrictEqual } from 'node:util'
import type { buildConnector } from 'undici'
import { asHttp } from '../model/server-url.ts'
import type { ServerTls } from '../model/spec.ts'
import { type Connected, connectWithin } from '../net/connect-within.ts'
import { Endpoint } from '../net/endpoint.ts'

const CONNECT_MS = 10_000
const MAX_ENDPOINTS = 1_000

interface Known {
  readonly endpoint: Endpoint
  readonly tls: ServerTls | undefined
}

/**
 * Connects previews to servers as the data plane does, with each server's own TLS settings. undici by itself would verify
 * the certificate for the request's Host, which is the service's name and not the server's.
 */
export class PreviewEndpoints {
  private readonly byOrigin = new Map<string, Known>()

  /** Registers the TLS settings for new connections to this server. */
  learn(url: string, tls: ServerTls | undefined): void {
    const { origin } = new URL(asHttp(url))
    const known = this.byOrigin.get(origin)
    if (known !== undefined && known.endpoint.url === url && isDeepStrictEqual(known.tls, tls)) return
    if (this.byOrigin.size >= MAX_ENDPOINTS) this.byOrigin.clear()
    this.byOrigin.set(origin, { endpoint: new Endpoint(url, tls), tls })
  }

  /** A connector for undici. */
  readonly connect: buildConnector.connector = ({ protocol, hostname, port }, callback) => {
    const { origin } = new URL(`${protocol}//${hostname}:${port}`)
    const endpoint = this.byOrigin.get(origin)?.endpoint ?? new Endpoint(origin)
    connectWithin(endpoint, CONNECT_MS, connectTimeout, (error, socket) => {
      // undici speaks the protocol that was agreed with TLS; without TLS, the server's URL says which one.
      if (socket !== null && endpoint.isHttp2 && !endpoint.isSecure) Object.assign(socket, { alpnProtocol: 'h2' })
      ;(callback as Connected)(error, socket)
    })
  }
}

function connectTimeout(): Error {
  return Object.assign(new Error('connect timeout'), { code: 'UND_ERR_CONNECT_TIMEOUT' })
}
