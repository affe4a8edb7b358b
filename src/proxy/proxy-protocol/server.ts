import type { Socket } from 'node:net'
import { Server } from 'node:net'
import type { ProxyHeader } from './header.ts'
import { plainAddress } from './header.ts'
import type { Outcome } from './read-header.ts'
import { readProxyHeader } from './read-header.ts'

/** What stands for the address of a peer that has none. */
const UNIX = 'unix'

export interface ProxyProtocolSettings {
  /** How long a connection may take to deliver its header; milliseconds, 0 = for ever. */
  readonly timeoutMs: number
  /** A connection that is silent for this long is probed by TCP; milliseconds. */
  readonly keepAliveMs: number
  /** No further connection is taken. */
  readonly isFull: () => boolean
  /** Whether a peer may say who its clients are. `peer`: its IP address, IPv4 in its own notation, or `unix`. */
  readonly isTrusted: (peer: string) => boolean
  /** A connection has delivered its header; the HTTP server gets it next, unless it is destroyed here. */
  readonly onAccepted: (socket: Socket, header: ProxyHeader) => void
  /** A connection was destroyed for want of trust or of a header. Not called for peers that came and left in silence. */
  readonly onRefused?: (peer: string, reason: string) => void
}

/**
 * Listens for an HTTP or HTTPS server that does not listen itself. Each connection must open with a PROXY header; behind
 * it the connection is the HTTP server's like any other. One that does not is destroyed without an answer: whoever sent
 * it is no client. `close()` takes no new connections, and leaves those that are there alone.
 */
export class ProxyProtocolServer extends Server {
  private readonly httpServer: Server
  private readonly settings: ProxyProtocolSettings
  private readonly waiting = new Set<Socket>()
  private hasIpPeers = false

  constructor(httpServer: Server, settings: ProxyProtocolSettings) {
    // As node:http has it for its own connections.
    super({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: settings.keepAliveMs })
    this.httpServer = httpServer
    this.settings = settings
    this.on('connection', (socket) => this.onConnection(socket))
    this.on('listening', () => this.onListening())
    // Stops its timers.
    this.on('close', () => httpServer.close())
  }

  /** Connections that have not delivered their header yet. */
  get waitingConnections(): number {
    return this.waiting.size
  }

  /** Destroys the connections that have not delivered their header yet. */
  closeWaitingConnections(): void {
    for (const socket of this.waiting) socket.destroy()
  }

  private onListening(): void {
    const address = this.address()
    this.hasIpPeers = address !== null && typeof address === 'object'
    // An HTTP server that does not listen keeps no account of its connections, and enforces none of its time limits:
    // it begins to with this event (nodejs/node#48611).
    this.httpServer.emit('listening')
  }

  private onConnection(socket: Socket): void {
    const { remoteAddress } = socket
    // The address of a TCP peer that has gone already cannot be known any more; what it sent could still be read.
    if (remoteAddress === undefined && this.hasIpPeers) {
      socket.destroy()
      return
    }
    const peer = remoteAddress === undefined ? UNIX : plainAddress(remoteAddress)
    if (!this.settings.isTrusted(peer)) {
      this.refuse(socket, peer, 'not trusted')
      return
    }
    if (this.settings.isFull()) {
      socket.destroy()
      return
    }
    this.waiting.add(socket)
    readProxyHeader(socket, this.settings.timeoutMs, (outcome) => {
      this.waiting.delete(socket)
      if (outcome.kind === 'header') this.accept(socket, outcome.header)
      else this.refuse(socket, peer, reasonOf(outcome))
    })
  }

  private accept(socket: Socket, header: ProxyHeader): void {
    this.settings.onAccepted(socket, header)
    if (socket.destroyed) return
    this.httpServer.emit('connection', socket)
    // TLS reads past the stream: it takes what has been put back by itself, unless it has flowed away before.
    if (socket.listenerCount('data') > 0) socket.resume()
  }

  private refuse(socket: Socket, peer: string, reason: string | null): void {
    socket.destroy()
    if (reason !== null) this.settings.onRefused?.(peer, reason)
  }
}

/** Null for a peer that came and left in silence, as the simplest health checks do. */
function reasonOf(outcome: Exclude<Outcome, { kind: 'header' }>): string | null {
  switch (outcome.kind) {
    case 'invalid':
      return outcome.reason
    case 'late':
      return 'no whole header in time'
    case 'left':
      return outcome.bytes === 0 ? null : 'left in the middle of its header'
  }
}
