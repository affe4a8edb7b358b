import type { AddressInfo, Socket } from 'node:net'
import { Server } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ClientTls } from '../../edge/client-tls.ts'
import type { TlsEndpoint } from '../../edge/tls-endpoint.ts'
import { SocketInput } from '../../http1/socket-input.ts'
import type { HttpsRedirect } from '../../model/https-redirect.ts'
import { covers } from '../../model/networks.ts'
import type { ListenOn } from '../../net/listen.ts'
import { listen } from '../../net/listen.ts'
import type { ProxyHeader } from '../proxy-protocol/header.ts'
import { ProxyProtocolServer } from '../proxy-protocol/server.ts'
import type { ClientConnectionOptions } from './client-connection.ts'
import { type Arrival, ClientConnection } from './client-connection.ts'
import { ClientListener, connectionsByListener } from './client-listener.ts'
import type { ClientPeer } from './client-peer.ts'
import { HandshakeCounts } from './handshake-counts.ts'
import { Http2Connection } from './http2-connection.ts'
import { UndecidedConnection } from './undecided-connection.ts'

export interface ListenerOptions {
  /** Whether connections must begin with a PROXY header; then only trusted proxies may connect. Default: no. */
  readonly proxyProtocol?: boolean
  /** Ends TLS of its connections; null = they are plain. */
  readonly tls?: TlsEndpoint | null
  /** Whether clients may speak HTTP/2 without TLS, as their first bytes say. Default: no. */
  readonly h2c?: boolean
  /** Redirects its requests to https; null = they are served. */
  readonly redirect?: HttpsRedirect | null
  /** Name of the listener in metrics; default: the address in use. */
  readonly name?: string
}

/** An address at which connections are accepted. */
export interface Listener {
  /** The address in use. */
  readonly address: AddressInfo | string
  /** Stops accepting connections; open ones continue. */
  close(): void
}

/** Silence after which TCP keep-alive probes a client's connection, to detect that its machine is gone. */
const CLIENT_KEEP_ALIVE_MS = 60_000
/** Name of HTTP/2 in ALPN. */
const HTTP_2 = 'h2'
const SOCKET_OPTIONS = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: CLIENT_KEEP_ALIVE_MS,
}

/** The listeners for clients, and their connections. */
export class ClientListeners {
  readonly connections = new Set<ClientPeer>()
  readonly servers = new Set<Server>()
  /** Number of connections accepted so far. */
  accepted = 0
  /** Handshakes that have ended. */
  readonly handshakes = new HandshakeCounts()
  private readonly options: ClientConnectionOptions
  /** Max number of connections; 0 = no limit. */
  private readonly maxConnections: number
  private readonly listeners = new Set<ClientListener>()
  private readonly endpoints = new Set<TlsEndpoint>()

  constructor(options: ClientConnectionOptions, maxConnections: number) {
    this.options = options
    this.maxConnections = maxConnections
  }

  /** Accepts connections at an address. Rejects with the error of listening. */
  async listen(address: ListenOn, options: ListenerOptions): Promise<Listener> {
    const { proxyProtocol = false, tls = null, h2c = false, redirect = null, name } = options
    const listener = new ClientListener(name, tls, h2c, redirect)
    const server = proxyProtocol
      ? this.behindProxyHeader(listener)
      : tls === null
        ? this.plain(listener)
        : this.secure(listener)
    server.on('connection', () => {
      this.accepted++
    })
    if (tls !== null) this.endpoints.add(tls)
    this.servers.add(server)
    const inUse = await listen(server, address).catch((error: unknown) => {
      this.servers.delete(server)
      throw error
    })
    listener.listensAt(inUse)
    this.listeners.add(listener)
    return {
      address: inUse,
      close: () => {
        this.servers.delete(server)
        listener.isClosed = true
        if (listener.connections === 0) this.listeners.delete(listener)
        server.close()
      },
    }
  }

  /** Open connections by listener name. */
  counts(): Record<string, number> {
    return connectionsByListener(this.listeners)
  }

  /** Number of connections that are not open yet: those that still send their PROXY header, or are in their handshake. */
  get opening(): number {
    let opening = 0
    for (const server of this.servers) if (server instanceof ProxyProtocolServer) opening += server.waitingConnections
    for (const endpoint of this.endpoints) opening += endpoint.pending
    return opening
  }

  /** Closes the connections that are not open yet. */
  closeOpening(): void {
    for (const server of this.servers) if (server instanceof ProxyProtocolServer) server.closeWaitingConnections()
    for (const endpoint of this.endpoints) endpoint.closePending()
  }

  private plain(listener: ClientListener): Server {
    return new Server({ ...SOCKET_OPTIONS, pauseOnConnect: true }, (accepted) => {
      const input = new SocketInput()
      this.accept(input.accept(accepted), input, null, null, listener)
    })
  }

  private secure(listener: ClientListener): Server {
    return new Server(SOCKET_OPTIONS, (accepted) => this.shakeHands(accepted, null, listener, listener.tls))
  }

  private behindProxyHeader(listener: ClientListener): Server {
    return new ProxyProtocolServer({
      timeoutMs: this.options.inbound.timeouts.headMs,
      keepAliveMs: CLIENT_KEEP_ALIVE_MS,
      isFull: () => this.isFull(),
      isTrusted: (peer) => peer === 'unix' || covers(this.options.trustedProxies, peer),
      onAccepted: (socket, header) => {
        if (listener.tls !== null) {
          this.shakeHands(socket, header, listener, listener.tls)
          return
        }
        const input = new SocketInput()
        input.follow(socket)
        this.accept(socket, input, header, null, listener)
        // It is paused after its header.
        socket.resume()
      },
    })
  }

  private shakeHands(
    socket: Socket,
    header: ProxyHeader | null,
    listener: ClientListener,
    endpoint: TlsEndpoint | null,
  ): void {
    if (endpoint === null || this.mustRefuse(socket, header, listener)) {
      socket.destroy()
      return
    }
    listener.connections++
    endpoint.begin(socket, {
      onSecure: (secured, tls, protocol) => {
        this.handshakes.add(listener.name, secured.isSessionReused() ? 'resumed' : 'full')
        this.takeSecure(secured, protocol, header, tls, listener)
        // It counts as an open connection now.
        this.release(listener)
      },
      onFailed: (failure) => {
        this.handshakes.add(listener.name, failure)
        this.release(listener)
      },
    })
  }

  /** The protocol that was negotiated decides who gets a connection. */
  private takeSecure(
    socket: TLSSocket,
    protocol: string,
    header: ProxyHeader | null,
    tls: ClientTls,
    listener: ClientListener,
  ): void {
    if (protocol !== HTTP_2) {
      const input = new SocketInput()
      input.follow(socket)
      this.accept(socket, input, header, tls, listener)
    } else if (this.mustRefuse(socket, header, listener)) socket.destroy()
    else {
      listener.connections++
      this.serveHttp2(socket, { header, tls, redirect: listener.redirect }, listener)
    }
  }

  /** Whether connections have reached their limit; those that are not open yet count, too. */
  private isFull(): boolean {
    return this.maxConnections > 0 && this.connections.size + this.opening >= this.maxConnections
  }

  /** Whether a connection cannot be taken: there is no room for it, or its peer has left. */
  private mustRefuse(socket: Socket, header: ProxyHeader | null, listener: ClientListener): boolean {
    // A peer that has reset its connection has no address any more; it must not be taken for a peer at a socket file.
    const hasLeft = header === null && listener.hasIpPeers && socket.remoteAddress === undefined
    return hasLeft || this.isFull()
  }

  private accept(
    socket: Socket,
    input: SocketInput,
    header: ProxyHeader | null,
    tls: ClientTls | null,
    listener: ClientListener,
  ): void {
    if (this.mustRefuse(socket, header, listener)) {
      socket.destroy()
      return
    }
    listener.connections++
    const arrival = { header, tls, redirect: listener.redirect }
    if (listener.h2c && tls === null) this.decide(socket, input, arrival, listener)
    else this.serve(socket, input, arrival, listener)
  }

  private serve(socket: Socket, input: SocketInput, arrival: Arrival, listener: ClientListener): ClientConnection {
    const connection = new ClientConnection(socket, input, arrival, this.options, (each) => this.closed(each, listener))
    this.connections.add(connection)
    return connection
  }

  /** Serves a connection whose client speaks HTTP/2. What was read of the socket already is put back with `unshift`. */
  private serveHttp2(socket: Socket, arrival: Arrival, listener: ClientListener): void {
    this.connections.add(new Http2Connection(socket, arrival, this.options, (each) => this.closed(each, listener)))
  }

  /** Waits for the first bytes of a connection, which tell the version of HTTP. */
  private decide(socket: Socket, input: SocketInput, arrival: Arrival, listener: ClientListener): void {
    const { deadlines, timeouts } = this.options.inbound
    const undecided = new UndecidedConnection(socket, input, {
      deadlines,
      timeoutMs: timeouts.headMs,
      onDecided: (isHttp2, first) => {
        this.connections.delete(undecided)
        if (isHttp2) {
          input.leave(socket)
          socket.unshift(first)
          this.serveHttp2(socket, arrival, listener)
        } else this.serve(socket, input, arrival, listener).take(first)
      },
      onClosed: () => this.closed(undecided, listener),
    })
    this.connections.add(undecided)
  }

  private closed(connection: ClientPeer, listener: ClientListener): void {
    this.connections.delete(connection)
    this.release(listener)
  }

  /** A connection or handshake of a listener has ended. */
  private release(listener: ClientListener): void {
    if (--listener.connections === 0 && listener.isClosed) this.listeners.delete(listener)
  }
}
