import type { Socket } from 'node:net'
import { Server } from 'node:net'
import type { ProxyHeader } from './header.ts'
import { plainAddress } from './header.ts'
import type { Outcome } from './read-header.ts'
import { readProxyHeader } from './read-header.ts'

/** Name for peers without an address. */
const UNIX = 'unix'

export interface ProxyProtocolSettings {
  /** Max time for a connection to send its header; 0 = no limit. */
  readonly timeoutMs: number
  /** Silence after which TCP keep-alive probes a connection. */
  readonly keepAliveMs: number
  /** Returns whether the limit of connections is reached; then a new connection is closed. */
  readonly isFull: () => boolean
  /** Returns whether a peer may name its clients. `peer`: its IP address, IPv4 never in IPv6 notation, or `unix`. */
  readonly isTrusted: (peer: string) => boolean
  /** Takes over a connection that has sent its header. The socket is paused. */
  readonly onAccepted: (socket: Socket, header: ProxyHeader) => void
  /**
   * Called when an untrusted connection, or one without a header, was closed; not if the peer left without sending a
   * byte.
   */
  readonly onRefused?: (peer: string, reason: string) => void
}

/**
 * Listens for connections that must begin with a PROXY header. A connection without one is destroyed without an answer,
 * because it does not come from a client. `close()` stops accepting connections, and leaves open ones alone.
 */
export class ProxyProtocolServer extends Server {
  private readonly settings: ProxyProtocolSettings
  private readonly waiting = new Set<Socket>()
  private hasIpPeers = false

  constructor(settings: ProxyProtocolSettings) {
    super({ allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay: settings.keepAliveMs })
    this.settings = settings
    this.on('connection', (socket) => this.onConnection(socket))
    this.on('listening', () => this.onListening())
  }

  /** Number of connections that have not sent their header yet. */
  get waitingConnections(): number {
    return this.waiting.size
  }

  /** Destroys the connections that have not sent their header yet. */
  closeWaitingConnections(): void {
    for (const socket of this.waiting) socket.destroy()
  }

  private onListening(): void {
    const address = this.address()
    this.hasIpPeers = address !== null && typeof address === 'object'
  }

  private onConnection(socket: Socket): void {
    const { remoteAddress } = socket
    // A TCP peer that is already gone has no address any more, although its data could still be read.
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
      if (outcome.kind === 'header') this.settings.onAccepted(socket, outcome.header)
      else this.refuse(socket, peer, reasonOf(outcome))
    })
  }

  private refuse(socket: Socket, peer: string, reason: string | null): void {
    socket.destroy()
    if (reason !== null) this.settings.onRefused?.(peer, reason)
  }
}

/** Reason for a refusal; null = the peer left without sending a byte, as simple health checks do. */
function reasonOf(outcome: Exclude<Outcome, { kind: 'header' }>): string | null {
  switch (outcome.kind) {
    case 'invalid':
      return outcome.reason
    case 'late':
      return 'no complete header in time'
    case 'left':
      return outcome.bytes === 0 ? null : 'left in the middle of its header'
  }
}
