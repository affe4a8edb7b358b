import type { AddressInfo } from 'node:net'
import type { TlsEndpoint } from '../../edge/tls-endpoint.ts'
import type { HttpsRedirect } from '../../model/https-redirect.ts'

/** A listener for clients, with the number of connections that it has open. */
export class ClientListener {
  /** Name for people: `127.0.0.1:8080`, `unix:/path`, `fd:3`. */
  name: string
  /** Its peers have IP addresses; false for socket files. */
  hasIpPeers = true
  connections = 0
  /** The listener accepts no more connections. */
  isClosed = false

  /** null = its connections are plain. */
  readonly tls: TlsEndpoint | null
  /** Clients may speak HTTP/2 without TLS. */
  readonly h2c: boolean
  /** null = its requests are served. */
  readonly redirect: HttpsRedirect | null

  /** `name`: undefined = the address in use, see `listensAt`. */
  constructor(name: string | undefined, tls: TlsEndpoint | null, h2c: boolean, redirect: HttpsRedirect | null) {
    this.name = name ?? ''
    this.tls = tls
    this.h2c = h2c
    this.redirect = redirect
  }

  /** Sets the address in use; null = an inherited socket file, whose path is unknown. */
  listensAt(address: AddressInfo | string | null): void {
    this.hasIpPeers = address !== null && typeof address === 'object'
    if (this.name === '') this.name = nameOf(address)
  }
}

/** Open connections by listener name. Closed listeners are included while they have connections. */
export function connectionsByListener(listeners: ReadonlySet<ClientListener>): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { name, connections, isClosed } of listeners) {
    if (connections > 0 || !isClosed) counts[name] = (counts[name] ?? 0) + connections
  }
  return counts
}

function nameOf(address: AddressInfo | string | null): string {
  if (address === null) return 'unknown'
  if (typeof address === 'string') return `unix:${address}`
  return `${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`
}
