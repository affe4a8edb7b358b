import type { Socket } from 'node:net'
import { createSecureContext, type SecureContext, Server, type TLSSocket } from 'node:tls'
import type { AcmeAnswers } from '../../model/listener-tls.ts'
import type { ClientHello } from '../client-hello.ts'

/** RFC 8737 §6.2. */
const PROTOCOL = 'acme-tls/1'
/** Time for the server to close its side, ms. */
const LINGER_MS = 5_000

/**
 * Answers the challenges tls-alpn-01 of ACME servers (RFC 8737): a handshake with a certificate that proves who answers,
 * and nothing behind it.
 */
export class AlpnEndpoint {
  private readonly contexts: ReadonlyMap<string, SecureContext>
  private readonly server: Server

  /** `onEnd`: called with the socket below when a handshake has ended; `isDone`: whether it was complete. */
  constructor(alpn: AcmeAnswers['alpn'], onEnd: (socket: TLSSocket, isDone: boolean) => void) {
    this.contexts = new Map(
      Object.entries(alpn).map(([name, pair]) => [name, createSecureContext({ ...pair, ca: [] })]),
    )
    this.server = new Server({
      ALPNProtocols: [PROTOCOL],
      minVersion: 'TLSv1.2',
      handshakeTimeout: 0,
      SNICallback: (name, done) => done(null, this.contexts.get(name.toLowerCase())),
    })
    this.server.on('secureConnection', (socket) => {
      onEnd(socket, true)
      socket.end()
      socket.setTimeout(LINGER_MS, () => socket.destroy())
      // Nothing is read from it, so that its end would not be noticed.
      socket.resume()
      socket.on('error', () => socket.destroy())
    })
    this.server.on('tlsClientError', (_error, socket) => {
      onEnd(socket, false)
      socket.destroy()
    })
  }

  /** Whether a handshake is for one of the challenges: clients never offer this protocol. */
  isFor(hello: ClientHello | null): boolean {
    if (hello === null || !hello.protocols.includes(PROTOCOL)) return false
    return this.contexts.has(hello.serverName.toLowerCase())
  }

  begin(socket: Socket): void {
    this.server.emit('connection', socket)
  }
}
