import type { Duplex } from 'node:stream'
import type { OpenTunnel, ProxyContext } from './context.ts'
import type { ErrorCode } from './errors.ts'
import type { UnderWay } from './upstream/target.ts'
import { CLOSE_TO_CLIENT, CLOSE_TO_SERVER, FrameCursor } from './websocket-frames.ts'

/** Max time for both ends to close their connections after a close frame or the end of the stream. */
const HANG_UP_MS = 1_000
/** Max time to deliver pending data to one end after the other end has closed. */
const LINGER_MS = 30_000

/** The two connections of a tunnel, and the bytes that each end has sent in the new protocol so far. */
export interface TunnelEnds {
  readonly client: Duplex
  readonly clientEarly: readonly Buffer[]
  readonly server: Duplex
  readonly serverEarly: readonly Buffer[]
}

export interface TunnelKind {
  /** The protocol that was switched to. */
  readonly protocol: string
  /** Whether a WebSocket continues past the deadline of a drain. */
  readonly staysAtDrain: boolean
}

export interface TunnelOwner {
  /** Both ends have closed. `code`: why the tunnel was closed from here; empty = it was not. */
  tunnelEnded(tunnel: Tunnel, code: ErrorCode | ''): void
}

/** Forwards bytes both ways after a switch of protocols, until both ends have closed. */
export class Tunnel implements UnderWay, OpenTunnel {
  slot = -1
  private readonly context: ProxyContext
  private readonly owner: TunnelOwner
  private readonly client: Duplex
  private readonly server: Duplex
  private readonly early: Pick<TunnelEnds, 'clientEarly' | 'serverEarly'>
  private readonly isWebSocket: boolean
  private readonly mayStay: boolean
  private readonly toServer = new FrameCursor()
  private readonly toClient = new FrameCursor()
  private idleTimer: NodeJS.Timeout | null = null
  private endTimer: NodeJS.Timeout | null = null
  /** Reason for which the tunnel was closed from here; empty = it was not. */
  private hungUpFor: ErrorCode | '' = ''
  private done = false
  /** Bytes sent to the client. */
  bytesToClient = 0

  constructor(context: ProxyContext, ends: TunnelEnds, { protocol, staysAtDrain }: TunnelKind, owner: TunnelOwner) {
    this.context = context
    this.owner = owner
    this.client = ends.client
    this.server = ends.server
    this.early = ends
    this.isWebSocket = protocol.toLowerCase() === 'websocket'
    this.mayStay = staysAtDrain && this.isWebSocket
  }

  start(): void {
    const { client, server, context } = this
    context.tunnels.add(this)
    // Either end may close its own direction and keep reading the other.
    server.allowHalfOpen = true
    for (const end of [client, server]) end.on('error', () => end.destroy())
    client.on('close', () => this.closed(server))
    server.on('close', () => this.closed(client))
    for (const piece of this.early.clientEarly) this.pass(piece, server, this.toServer)
    for (const piece of this.early.serverEarly) this.pass(piece, client, this.toClient)
    const { tunnelMs } = context.settings.timeouts
    if (tunnelMs > 0) this.idleTimer = setTimeout(onIdle, tunnelMs, this)
    this.forward(client, server, this.toServer)
    this.forward(server, client, this.toClient)
    // One of them may have closed meanwhile.
    for (const end of [client, server]) if (end.destroyed) this.closed(end === client ? server : client)
  }

  cut(reason: ErrorCode = 'drain_timeout'): boolean {
    const isDrain = reason === 'drain_timeout'
    if (this.done || this.hungUpFor !== '' || (isDrain && this.mayStay)) return false
    this.shutDown(reason)
    return true
  }

  /**
   * Closes the tunnel. A WebSocket gets close 1001 in each direction, once the current frame there is complete; the
   * connections of other protocols are closed.
   */
  shutDown(reason: ErrorCode): void {
    if (this.done || this.hungUpFor !== '') return
    this.hungUpFor = reason
    this.destroyAfter(HANG_UP_MS)
    this.closeDirection(this.server, this.toServer, CLOSE_TO_SERVER)
    this.closeDirection(this.client, this.toClient, CLOSE_TO_CLIENT)
  }

  private forward(from: Duplex, to: Duplex, frames: FrameCursor): void {
    from.on('data', (chunk: Buffer) => {
      this.idleTimer?.refresh()
      if (!this.pass(chunk, to, frames)) from.pause()
    })
    to.on('drain', () => from.resume())
    from.on('end', () => to.end())
    from.resume()
  }

  private pass(chunk: Buffer, to: Duplex, frames: FrameCursor): boolean {
    if (to.writableEnded || to.destroyed) return true
    const isHungUp = this.hungUpFor !== ''
    const length = frames.advance(chunk, isHungUp)
    if (to === this.client) this.bytesToClient += length
    const takesMore = to.write(length === chunk.length ? chunk : chunk.subarray(0, length))
    if (isHungUp) this.closeDirection(to, frames, to === this.client ? CLOSE_TO_CLIENT : CLOSE_TO_SERVER)
    return takesMore
  }

  /** Ends one direction; for a WebSocket with a close frame, as soon as no frame is incomplete. */
  private closeDirection(to: Duplex, frames: FrameCursor, close: Buffer): void {
    if (to.writableEnded) return
    if (this.isWebSocket && !frames.atBoundary) return
    to.end(this.isWebSocket ? close : '')
    // Further data from the other end is read and dropped.
    const from = to === this.client ? this.server : this.client
    from.resume()
  }

  /** Closes the other end after one has closed, and gives pending data up to `LINGER_MS` to arrive. */
  private closed(other: Duplex): void {
    if (!other.destroyed) {
      if (this.hungUpFor === '') {
        destroySoon(other)
        this.destroyAfter(LINGER_MS)
      } else other.end().resume()
      return
    }
    if (this.done) return
    this.done = true
    if (this.endTimer !== null) clearTimeout(this.endTimer)
    if (this.idleTimer !== null) clearTimeout(this.idleTimer)
    this.context.tunnels.delete(this)
    this.owner.tunnelEnded(this, this.hungUpFor)
  }

  private destroyAfter(timeoutMs: number): void {
    if (this.endTimer !== null) clearTimeout(this.endTimer)
    this.endTimer = setTimeout(() => {
      this.client.destroy()
      this.server.destroy()
    }, timeoutMs)
  }
}

function onIdle(tunnel: Tunnel): void {
  tunnel.shutDown('tunnel_idle')
}

/** Ends a stream, and destroys it once all pending data is sent. */
function destroySoon(stream: Duplex): void {
  if (!stream.writableEnded) stream.end()
  if (stream.writableFinished) stream.destroy()
  else stream.once('finish', () => stream.destroy())
}
