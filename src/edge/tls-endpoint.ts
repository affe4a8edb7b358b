import type { Socket } from 'node:net'
import { Server, type TLSSocket } from 'node:tls'
import type { Deadline, Deadlines } from '../http1/deadlines.ts'
import type { AcmeAnswers, ListenerTls } from '../model/listener-tls.ts'
import { AlpnEndpoint } from './acme/alpn-endpoint.ts'
import { type ClientTls, clientTls } from './client-tls.ts'
import { type HandshakeFailure, handshakeFailure, NoCertificate } from './handshake-outcome.ts'
import { peekClientHello } from './peek-client-hello.ts'
import { SecureContexts } from './secure-contexts.ts'

/**
 * Is told how the handshake of its connection ends. Exactly one of the two is called. `acme`: it was the challenge of an ACME
 * server, which was answered; the connection is closed like those that fail.
 */
export interface HandshakeOwner {
  /** The socket has not been read yet. `protocol`: as negotiated (ALPN), empty = none was. */
  onSecure(socket: TLSSocket, tls: ClientTls, protocol: string): void
  onFailed(failure: HandshakeFailure | 'acme'): void
}

/** A handshake that goes on. */
interface Handshake {
  readonly owner: HandshakeOwner
  readonly deadline: Deadline
  /** The settings with which it has begun. */
  readonly asksForCertificate: boolean
}

export interface TlsEndpointOptions {
  /** Max time of a handshake, ms; 0 = no limit. */
  readonly timeoutMs: number
  readonly deadlines: Deadlines
}

const SPEAKS_HTTPS = '400 This port speaks https.\n'
const PLAIN_ANSWER = `HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: ${SPEAKS_HTTPS.length}\r\nConnection: close\r\n\r\n${SPEAKS_HTTPS}`

/** A fatal alert (RFC 8446 §6), before any key is known: internal_error, which Go, and so Caddy, sends without a certificate. */
const NO_CERTIFICATE = Buffer.from([21, 3, 3, 0, 2, 2, 80])

/**
 * The server's end of TLS for the connections of one listener. Settings can be replaced at any time: handshakes that have
 * begun, and open connections, keep those that they began with.
 */
export class TlsEndpoint {
  private readonly options: TlsEndpointOptions
  /** Replaced with the settings, and never listening: it is given the connections. null = no settings yet. */
  private server: Server | null = null
  private contexts: SecureContexts | null = null
  private settings: ListenerTls | null = null
  private ticketKeys: Buffer | null = null
  /** null = no ACME server has a challenge for this fleet. */
  private alpn: AlpnEndpoint | null = null
  private readonly handshakes = new Map<Socket, Handshake>()

  constructor(options: TlsEndpointOptions) {
    this.options = options
  }

  /** Number of handshakes that go on. */
  get pending(): number {
    return this.handshakes.size
  }

  /** Uses these settings for connections from now on. Throws errors of OpenSSL; the settings before stay in force then. */
  use(settings: ListenerTls): void {
    const contexts = new SecureContexts(settings, this.contexts)
    this.server = this.serverFor(settings, contexts)
    this.contexts = contexts
    this.settings = settings
  }

  /** Uses these keys for the tickets of sessions, 48 bytes, instead of keys that only this process knows. */
  useTicketKeys(keys: Buffer): void {
    this.ticketKeys = keys
    this.server?.setTicketKeys(keys)
  }

  /** Answers these challenges of ACME servers from now on, and no others. */
  answer(alpn: AcmeAnswers['alpn']): void {
    const isNone = Object.keys(alpn).length === 0
    this.alpn = isNone ? null : new AlpnEndpoint(alpn, (socket, isDone) => this.answered(socket, isDone))
  }

  /** Begins the handshake of a connection. `socket`: may have been read if what was read is back in it. */
  begin(socket: Socket, owner: HandshakeOwner): void {
    const { server, settings } = this
    if (server === null || settings === null) {
      socket.destroy()
      owner.onFailed('failed')
      return
    }
    const deadline = this.options.deadlines.create(() => this.fail(socket, 'timeout'))
    this.handshakes.set(socket, { owner, deadline, asksForCertificate: settings.clientAuth !== null })
    // Later, since the TLS socket closes after it, and knows why.
    socket.once('close', () => setImmediate(() => this.fail(socket, 'left')))
    deadline.set(this.options.timeoutMs)
    // A client that ends its side within the handshake has left. Afterwards it may wait for an answer.
    socket.allowHalfOpen = false
    if (this.alpn === null) server.emit('connection', socket)
    else this.choose(this.alpn, socket, server)
  }

  /** Gives a connection to whoever its client wants. */
  private choose(alpn: AlpnEndpoint, socket: Socket, server: Server): void {
    peekClientHello(socket, (hello) => {
      if (alpn.isFor(hello)) alpn.begin(socket)
      else server.emit('connection', socket)
    })
  }

  private answered(socket: TLSSocket, isDone: boolean): void {
    this.settle(below(socket))?.owner.onFailed(isDone ? 'acme' : 'failed')
  }

  /** Closes the connections whose handshakes go on. */
  closePending(): void {
    for (const socket of [...this.handshakes.keys()]) this.fail(socket, 'timeout')
  }

  private serverFor(settings: ListenerTls, contexts: SecureContexts): Server {
    const server = new Server({
      ...contexts.first,
      requestCert: settings.clientAuth !== null,
      rejectUnauthorized: settings.clientAuth?.require === true,
      ALPNProtocols: [...settings.alpn],
      // Its own limit begins anew with each byte.
      handshakeTimeout: 0,
      ...(this.ticketKeys === null ? {} : { ticketKeys: this.ticketKeys }),
      SNICallback(this: TLSSocket, name, done) {
        let context: ReturnType<SecureContexts['for']>
        try {
          context = contexts.for(name)
        } catch (error) {
          done(error as Error)
          return
        }
        if (context !== undefined || !contexts.isPending(name)) {
          done(null, context)
          return
        }
        below(this).write(NO_CERTIFICATE)
        done(new NoCertificate())
      },
    })
    server.on('secureConnection', (socket) => this.secured(socket))
    server.on('tlsClientError', (error, socket) => this.failed(error, socket))
    return server
  }

  private secured(socket: TLSSocket): void {
    const plain = below(socket)
    const handshake = this.settle(plain)
    if (handshake === undefined) {
      socket.destroy()
      return
    }
    const { owner, asksForCertificate } = handshake
    socket.allowHalfOpen = true
    // Where certificates are optional, Node lets wrong ones pass.
    if (asksForCertificate && !socket.authorized && socket.getPeerX509Certificate() !== undefined) {
      socket.destroy()
      owner.onFailed('clientCertificate')
      return
    }
    const { alpnProtocol } = socket
    owner.onSecure(socket, clientTls(socket, asksForCertificate), typeof alpnProtocol === 'string' ? alpnProtocol : '')
  }

  private failed(error: Error, socket: TLSSocket): void {
    const plain = below(socket)
    const isBare = this.settings?.certificates.length === 0
    const failure = socket.authorizationError ? 'clientCertificate' : handshakeFailure(error, isBare)
    // Only the first bytes can be taken for HTTP, so that nothing was sent yet.
    if (failure === 'plainHttp' && this.handshakes.has(plain)) plain.write(PLAIN_ANSWER, 'latin1')
    this.settle(plain)?.owner.onFailed(failure)
    socket.destroy()
  }

  private fail(socket: Socket, failure: HandshakeFailure): void {
    const handshake = this.settle(socket)
    if (handshake === undefined) return
    socket.destroy()
    handshake.owner.onFailed(failure)
  }

  /** Ends a handshake; undefined = it has ended already. */
  private settle(socket: Socket): Handshake | undefined {
    const handshake = this.handshakes.get(socket)
    this.handshakes.delete(socket)
    handshake?.deadline.close()
    return handshake
  }
}

/** The socket that a TLS socket wraps, which Node's type declarations do not have. */
function below(socket: TLSSocket): Socket {
  return (socket as unknown as { readonly _parent: Socket })._parent
}
