import type { ClientTls } from '../../edge/client-tls.ts'
import type { HttpsRedirect } from '../../model/https-redirect.ts'

/** The client of a connection, as its requests know it. */
export interface Client {
  /** Address of the peer, IPv4 in its own notation; empty for a peer at a socket file. */
  readonly address: string
  /** Port that it has connected to; empty for a socket file. */
  readonly localPort: string
  /** Port of the client; 0 = unknown. */
  readonly port: number
  /** The address that it has connected to, IPv4 in its own notation; empty for a socket file. */
  readonly localAddress: string
  /** The peer is one of `trustedProxies`, so that its X-Forwarded-* fields are trusted. */
  readonly trusted: boolean
  /** TLS of its connection; null = it is plain. */
  readonly tls: ClientTls | null
  /** Where its requests are redirected to; null = they are served. */
  readonly redirect: HttpsRedirect | null
  /** The connection carries a tunnel, which ends on its own. */
  tunnelled: boolean
  /** Call when a request has ended. */
  ended(): void
}
