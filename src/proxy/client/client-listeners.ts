import type { AddressInfo, Socket } from 'node:net'
import { Server } from 'node:net'
import { SocketInput } from '../../http1/socket-input.ts'
import { covers } from '../../model/networks.ts'
import type { ListenOn } from '../../net/listen.ts'
import { listen } from '../../net/listen.ts'
import type { ProxyHeader } from '../proxy-protocol/header.ts'
import { ProxyProtocolServer } from '../proxy-protocol/server.ts'
import type { ClientConnectionOptions } from './client-connection.ts'
import { ClientConnection } from './client-connection.ts'
import { ClientListener, connectionsByListener } from './client-listener.ts'
import type { ClientPeer } from './client-peer.ts'
import { Http2Connection } from './http2-connection.ts'
import { UndecidedConnection } from './undecided-connection.ts'

export interface ListenerOptions {
  /** Whether connections must begin with a PROXY header; then only trusted proxies may connect. Default: no. */
  readonly proxyProtocol?: boolean
  /** Whether clients may speak HTTP/2 without TLS, as their first bytes say. Default: no. */
  readonly h2c?: boolean
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

/** The listeners for clients, and their connections. */
export class ClientListeners {
  readonly connections = new Set<ClientPeer>()
  readonly servers = new Set<Server>()
  /** Number of connections accepted so far. */
  accepted = 0
  private readonly options: ClientConnectionOptions
  /** Max number of connections; 0 = no limit. */
  private readonly maxConnections: number
  private readonly listeners = new Set<ClientListener>()

  constructor(options: ClientConnectionOptions, maxConnections: number) {
    this.options = options
    this.maxConnections = maxConnections
  }

  /** Accepts connections at an address. Rejects with the error of listening. */
  async listen(address: ListenOn, { proxyProtocol = false, h2c = false, name }: ListenerOptions): Promise<Listener> {
    const listener = new ClientListener(name, h2c)
    const server = proxyProtocol ? this.behindProxyHeader(listener) : this.plain(listener)
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

  private plain(listener: ClientListener): Server {
    const options = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: CLIENT_KEEP_ALIVE_MS }
    return new Server({ ...options, pauseOnConnect: true }, (accepted) => {
      const input = new SocketInput()
      this.accept(input.accept(accepted), input, null, listener)
    })
  }

  private behindProxyHeader(listener: ClientListener): Server {
    return new ProxyProtocolServer({
      timeoutMs: this.options.inbound.timeouts.headMs,
      keepAliveMs: CLIENT_KEEP_ALIVE_MS,
      isFull: () => this.isFull(),
      isTrusted: (peer) => peer === 'unix' || covers(this.options.trustedProxies, peer),
      onAccepted: (socket, header) => {
        const input = new SocketInput()
        input.follow(socket)
        this.accept(socket, input, header, listener)
        // It is paused after its header.
        socket.resume()
      },
    })
  }

  /** Whether connections have reached their limit; those still sending their PROXY header count, too. */
  private isFull(): boolean {
    if (this.maxConnections === 0) return false
    let open = this.connections.size
    for (const server of this.servers) if (server instanceof ProxyProtocolServer) open += server.waitingConnections
    return open >= this.maxConnections
  }

  private accept(socket: Socket, input: SocketInput, header: ProxyHeader | null, listener: ClientListener): void {
    this.accepted++
    // A peer that has reset its connection has no address any more; it must not be taken for a peer at a socket file.
    const hasLeft = header === null && listener.hasIpPeers && socket.remoteAddress === undefined
    if (hasLeft || this.isFull()) {
      socket.destroy()
      return
    }
    listener.connections++
    if (listener.h2c) this.decide(socket, input, header, listener)
    else this.serve(socket, input, header, listener)
  }

  private serve(
    socket: Socket,
    input: SocketInput,
    header: ProxyHeader | null,
    listener: ClientListener,
  ): ClientConnection {
    const connection = new ClientConnection(socket, input, header, this.options, (each) => this.closed(each, listener))
    this.connections.add(connection)
    return connection
  }

  /** Serves a connection whose client speaks HTTP/2. What was read of the socket already is put back with `unshift`. */
  private serveHttp2(socket: Socket, header: ProxyHeader | null, listener: ClientListener): void {
    this.connections.add(new Http2Connection(socket, header, this.options, (each) => this.closed(each, listener)))
  }

  /** Waits for the first bytes of a connection, which tell the version of HTTP. */
  private decide(socket: Socket, input: SocketInput, header: ProxyHeader | null, listener: ClientListener): void {
    const { deadlines, timeouts } = this.options.inbound
    const undecided = new UndecidedConnection(socket, input, {
      deadlines,
      timeoutMs: timeouts.headMs,
      onDecided: (isHttp2, first) => {
        this.connections.delete(undecided)
        if (isHttp2) {
          input.leave(socket)
          socket.unshift(first)
          this.serveHttp2(socket, header, listener)
        } else this.serve(socket, input, header, listener).take(first)
      },
      onClosed: () => this.closed(undecided, listener),
    })
    this.connections.add(undecided)
  }

  private closed(connection: ClientPeer, listener: ClientListener): void {
    this.connections.delete(connection)
    if (--listener.connections === 0 && listener.isClosed) this.listeners.delete(listener)
  }
}
