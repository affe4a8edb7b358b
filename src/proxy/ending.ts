import type { Socket } from 'node:net'
import { Server as TcpServer } from 'node:net'
import type { ToProxy } from '../model/messages.ts'
import type { ClientConnection } from './client/client-connection.ts'
import type { Tunnel } from './tunnel.ts'

/** How often connections are looked at that may be closed. */
const TICK_MS = 100
/** How long connections are still taken that come in without a pause. */
const BACKLOG_MS = 1_000
/** A connection without a request for this long is taken to be unused. */
const IDLE_MS = 1_000
/** One that has not had a request yet was opened for one: a busy client may take its time. */
const FRESH_MS = 3_000
/** Tunnels that may stay until the deadline are told this long before it, so that both ends can say goodbye. */
const TUNNELS_LEAVE_MS = 1_000

type Stop = Extract<ToProxy, { type: 'stop' }>

interface Ended {
  readonly servers: Iterable<TcpServer>
  readonly connections: ReadonlyMap<Socket, ClientConnection>
  readonly tunnels: Iterable<Tunnel>
  /** Connections so far. */
  readonly accepted: () => number
  /** Nothing is open any more; `cut` requests and tunnels were still under way at the deadline. */
  readonly onEnd: (cut: number) => void
}

/** The end of a data plane: listeners close, what is under way finishes until the deadline, if there is one. */
export class Ending {
  private readonly ended: Ended
  private hasBegun = false
  /** When the listeners were closed, and when what is left is cut; monotonic ms. */
  private closedAt = 0
  private cutAt = Number.POSITIVE_INFINITY
  private hangsUpAtOnce = false
  /** Requests that were ended at the deadline; null = it has not come yet. */
  private cutRequests: number | null = null

  constructor(ended: Ended) {
    this.ended = ended
  }

  /** Begins the end, or hastens it: of two demands, the stricter one counts. */
  demand({ acceptForMs, timeoutMs, tunnels }: Stop): void {
    if (timeoutMs !== null) this.cutAt = Math.min(this.cutAt, performance.now() + acceptForMs + timeoutMs)
    this.hangsUpAtOnce ||= tunnels === 'atOnce'
    if (this.hasBegun) return
    this.hasBegun = true
    setTimeout(() => this.emptyBacklog(performance.now()), acceptForMs)
  }

  /**
   * Closes the listeners once no more connections are coming in: those that the system has already taken for us, and
   * their requests, would be reset with the listener. Node takes one a turn of the event loop.
   */
  private emptyBacklog(since: number): void {
    const before = this.ended.accepted()
    setImmediate(() => {
      if (this.ended.accepted() === before || performance.now() - since > BACKLOG_MS) this.closeListeners()
      else this.emptyBacklog(since)
    })
  }

  private closeListeners(): void {
    this.closedAt = performance.now()
    // As a plain TCP server: an HTTP server would also close what is idle now, with the next request on its way
    // already.
    for (const server of this.ended.servers) TcpServer.prototype.close.call(server)
    const look = (): void => {
      if (this.closeUnused()) clearInterval(tick)
      else if (this.cutRequests === null && performance.now() >= this.cutAt) this.cut()
    }
    // After what has arrived is read: when this process has paused, requests may be waiting to be read.
    const tick = setInterval(() => setImmediate(look), TICK_MS)
  }

  /**
   * Requests under way finish, each with `Connection: close`. A connection that has been quiet for a while is closed;
   * one that has only just answered may have its next request on the way already, and gets to send it. Returns whether
   * that was the end.
   */
  private closeUnused(): boolean {
    const { connections, tunnels } = this.ended
    const now = performance.now()
    const isOver = this.cutRequests !== null
    if (this.hangsUpAtOnce || now >= this.cutAt - TUNNELS_LEAVE_MS) {
      for (const tunnel of [...tunnels]) tunnel.shutDown('proxy_stopping')
    }
    for (const [socket, connection] of connections) {
      const quietMs = now - Math.max(connection.idleSince, this.closedAt)
      if (isOver) socket.destroy()
      else if (connection.underWay > 0 || connection.tunnelled) continue
      else if (quietMs >= (connection.served === 0 ? FRESH_MS : IDLE_MS)) socket.destroySoon()
    }
    if (connections.size > 0 && !isOver) return false
    // Sockets that were destroyed just now tell their requests in this turn of the event loop.
    setImmediate(() => this.ended.onEnd(this.cutRequests ?? 0))
    return true
  }

  /** The deadline has come: requests get their 504, or break off. The next tick destroys what has not closed by then. */
  private cut(): void {
    this.cutRequests = 0
    for (const connection of this.ended.connections.values()) this.cutRequests += connection.cut()
  }
}
