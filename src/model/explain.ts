/** A request to be explained, instead of a real one. */
export interface ExplainedRequest {
  /** As in a Host field. */
  readonly host: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>
  readonly cookies: Readonly<Record<string, string>>
  /** Address of the client; null = a peer at a socket file. */
  readonly address: string | null
}

/** A step of the decision about a request, with its result and the reason in one sentence. */
export interface DecisionStep {
  readonly step: 'service' | 'mode' | 'hooks' | 'routes' | 'split' | 'sticky' | 'balance'
  readonly result: string
}

/** Whether a server may get the request now; `reason`: why not. */
export interface ServerVerdict {
  readonly key: string
  readonly may: boolean
  /**
   * `closed`: by its state or weight, or because its pool or service gets no requests; `otherPool`: it could, but the request
   * goes to another pool; `backup`: another server of its pool is up; `full`: it has reached its limit; `avoided`: it has just refused a connection; the others are its
   * health.
   */
  readonly reason: 'closed' | 'otherPool' | 'backup' | 'full' | 'avoided' | 'unknown' | 'down' | 'ejected' | null
}

/** The part that a pool has in the decision. */
export interface PoolVerdict {
  readonly name: string
  /** Whether the request goes there: for certain, by its share, or not. */
  readonly gets: 'all' | 'share' | 'none'
  readonly reason: string
  /**
   * The share in percent from which on this client is in the pool, while the other pools keep their proportions; null =
   * the split is not by client.
   */
  readonly from: number | null
}

/** How a proxy would decide about a request now, by the same code as for real ones. */
export interface Explanation {
  /** null = no service matches. */
  readonly service: string | null
  readonly steps: readonly DecisionStep[]
  /** In the order in which they would be asked. */
  readonly pools: readonly PoolVerdict[]
  readonly servers: readonly ServerVerdict[]
}
