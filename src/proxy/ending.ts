import type { ToProxy } from '../model/messages.ts'
import type { ClientListeners } from './client/client-listeners.ts'
import type { OpenTunnel } from './context.ts'

/** Interval at which connections are checked. */
const TICK_MS = 100
/** Max time for accepting the connections that are still in the backlog. */
const BACKLOG_MS = 1_000
/** Time without a request after which a connection is closed. */
const IDLE_MS = 1_000
/** The same for a connection without any request yet: its client has opened it to send one, and may be busy. */
const FRESH_MS = 3_000
/** Time before the deadline at which tunnels are closed, so that both ends can complete the closing handshake. */
const TUNNELS_LEAVE_MS = 1_000

type Stop = Extract<ToProxy, { type: 'stop' }>

interface EndingOptions {
  readonly clients: Pick<ClientListeners, 'servers' | 'connections' | 'accepted' | 'opening' | 'closeOpening'>
  readonly tunnels: Iterable<OpenTunnel>
  /** Called when all connections are closed. `cut`: number of requests that were cut at the deadline. */
  readonly onEnd: (cut: number) => void
}

/**
 * Shuts a data plane down: closes the listeners, then lets requests in flight finish until the deadline, if there is
 * one.
 */
export class Ending {
  private readonly options: EndingOptions
  private hasBegun = false
  /** When the listeners were closed; monotonic ms. */
  private closedAt = 0
  /** When the remaining requests are cut; monotonic ms, infinity = never. */
  private cutAt = Number.POSITIVE_INFINITY
  private closesTunnelsAtOnce = false
  /** Number of requests that were cut at the deadline; null = before the deadline. */
  private cutRequests: number | null = null

  constructor(options: EndingOptions) {
    this.options = options
  }

  /** Begins the shutdown. A later call can only make it stricter: an earlier deadline, or tunnels closed at once. */
  begin({ acceptForMs, timeoutMs, tunnels }: Stop): void {
    if (timeoutMs !== null) this.cutAt = Math.min(this.cutAt, performance.now() + acceptForMs + timeoutMs)
    this.closesTunnelsAtOnce ||= tunnels === 'atOnce'
    if (this.hasBegun) return
    this.hasBegun = true
    setTimeout(() => this.emptyBacklog(performance.now()), acceptForMs)
  }

  /**
   * Closes the listeners once the backlog is empty: the system would reset connections that are still in it when the
   * listener closes. Node accepts one connection per turn of the event loop.
   */
  private emptyBacklog(since: number): void {
    const before = this.options.clients.accepted
    setImmediate(() => {
      if (this.options.clients.accepted === before || performance.now() - since > BACKLOG_MS) this.closeListeners()
      else this.emptyBacklog(since)
    })
  }

  private closeListeners(): void {
    this.closedAt = performance.now()
    for (const server of this.options.clients.servers) server.close()
    for (const connection of this.options.clients.connections) connection.drain()
    const check = (): void => {
      if (this.closeUnused()) clearInterval(tick)
      else if (this.cutRequests === null && performance.now() >= this.cutAt) this.cut()
    }
    // In setImmediate, after arrived data is read: requests may be unread if this process was paused.
    const tick = setInterval(() => setImmediate(check), TICK_MS)
  }

  /**
   * Closes connections that have been idle for a while. Requests in flight finish, each with `Connection: close`. A
   * connection that has just become idle stays open a little longer, because its next request may be on its way.
   * Returns whether the shutdown is complete.
   */
  private closeUnused(): boolean {
    const { clients, tunnels } = this.options
    const { connections } = clients
    const now = performance.now()
    const isOver = this.cutRequests !== null
    if (this.closesTunnelsAtOnce || now >= this.cutAt - TUNNELS_LEAVE_MS) {
      for (const tunnel of [...tunnels]) tunnel.shutDown('proxy_stopping')
    }
    for (const connection of connections) {
      const quietMs = now - Math.max(connection.idleSince, this.closedAt)
      if (isOver) connection.destroy()
      else if (!connection.isBusy && quietMs >= (connection.served === 0 ? FRESH_MS : IDLE_MS)) connection.close()
    }
    if (isOver || now - this.closedAt >= FRESH_MS) clients.closeOpening()
    if (connections.size + clients.opening > 0 && !isOver) return false
    // Requests on sockets that were just destroyed are ended, and logged, later in this turn of the event loop.
    setImmediate(() => this.options.onEnd(this.cutRequests ?? 0))
    return true
  }

  /** Cuts all requests at the deadline: they get 504, or break off. The next tick destroys connections still open. */
  private cut(): void {
    this.cutRequests = 0
    for (const connection of this.options.clients.connections) this.cutRequests += connection.cut()
  }
}
