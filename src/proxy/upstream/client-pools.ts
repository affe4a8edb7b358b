import type { OutboundCall } from '../../http1/outbound-call.ts'
import type { ClientEnds } from '../../net/proxy-header.ts'

/** Connections that carry calls, whatever their protocol. */
export interface CallPool {
  /** `isSure`: the request must not be sent on a connection that the server may be closing. */
  start(call: OutboundCall, isSure: boolean): void
  /** Closes idle connections now, and busy ones as their requests end. */
  close(): void
  readonly hasConnections: boolean
}

/** Number of pools from which on those without connections are removed. */
const TIDY_FROM = 64

/**
 * The connections to a server that gets PROXY headers: a pool for each client connection, since the header names its
 * addresses and ports for everything that follows on the connection. HAProxy reuses such connections by the same rule.
 */
export class ClientPools {
  private readonly pools = new Map<string, CallPool>()
  private readonly create: (client: ClientEnds | null) => CallPool
  private tidyAt = TIDY_FROM

  constructor(create: (client: ClientEnds | null) => CallPool) {
    this.create = create
  }

  /** Returns the connections of a client; null = those of Cutover itself. */
  of(client: ClientEnds | null): CallPool {
    const key = client === null ? '' : keyOf(client)
    const known = this.pools.get(key)
    if (known !== undefined) return known
    if (this.pools.size >= this.tidyAt) this.tidy()
    const pool = this.create(client)
    this.pools.set(key, pool)
    return pool
  }

  /** Closes idle connections now, and busy ones as their requests end. */
  close(): void {
    for (const pool of this.pools.values()) pool.close()
    this.pools.clear()
  }

  /** Forgets clients without connections. */
  private tidy(): void {
    for (const [key, pool] of this.pools) if (!pool.hasConnections) this.pools.delete(key)
    this.tidyAt = Math.max(TIDY_FROM, 2 * this.pools.size)
  }
}

function keyOf({ source, sourcePort, destination, destinationPort }: ClientEnds): string {
  return `${source} ${sourcePort} ${destination} ${destinationPort}`
}
