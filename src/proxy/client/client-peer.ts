/** A client's connection, whatever its protocol, as those know it who close connections. */
export interface ClientPeer {
  /** Number of requests so far. */
  readonly served: number
  /** When the last request ended, or the connection was opened; monotonic ms. */
  readonly idleSince: number
  /** Whether a request or a tunnel is in flight. */
  readonly isBusy: boolean
  /** Asks the client to send no more requests, where its protocol can say so before the next response. */
  drain(): void
  /** Ends the requests in flight because the proxy stops. Returns the number of requests that were cut. */
  cut(): number
  /** Closes the connection, which must be idle. */
  close(): void
  /** Closes the connection at once. */
  destroy(): void
}
