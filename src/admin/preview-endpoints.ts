import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { buildConnector } from 'undici'
import { addressIn, type ServerAddress, socketFileOf } from '../model/server-address.ts'
import { asHttp } from '../model/server-url.ts'
import { type Connected, connectWithin } from '../net/connect-within.ts'
import { Endpoint } from '../net/endpoint.ts'

const CONNECT_MS = 10_000
const MAX_ENDPOINTS = 1_000

interface Known {
  readonly endpoint: Endpoint
  readonly address: ServerAddress
}

/**
 * Connects previews to servers as the data plane does, with each server's own TLS settings. undici by itself would verify
 * the certificate for the request's Host, which is the service's name and not the server's.
 */
export class PreviewEndpoints {
  private readonly byOrigin = new Map<string, Known>()

  /** Registers a server for new connections. Returns its URL for undici. */
  learn(server: ServerAddress): string {
    const address = addressIn(server)
    const origin = originOf(address)
    const known = this.byOrigin.get(origin)
    if (known !== undefined && isDeepStrictEqual(known.address, address)) return origin
    if (this.byOrigin.size >= MAX_ENDPOINTS) this.byOrigin.clear()
    this.byOrigin.set(origin, { endpoint: new Endpoint(address), address })
    return origin
  }

  /** A connector for undici. */
  readonly connect: buildConnector.connector = ({ protocol, hostname, port }, callback) => {
    const { origin } = new URL(`${protocol}//${hostname}:${port}`)
    const endpoint = this.byOrigin.get(origin)?.endpoint ?? new Endpoint({ url: origin })
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

/** The origin under which undici knows a server. A socket file has none: a host name stands for its path. */
function originOf({ url }: ServerAddress): string {
  const file = socketFileOf(url)
  return file === null ? new URL(asHttp(url)).origin : `http://${createHash('sha1').update(file).digest('hex')}.unix`
}
