/** One request to a server, whatever the protocol below; see `OutboundCall` for the meaning of its parts. */
export interface UpstreamCall {
  /**
   * Sends a piece of the request's body, with its framing if it is chunked. Returns false if the caller must wait for
   * `onServerReady`.
   */
  write(piece: Buffer): boolean
  /** Completes the request. `trailers`: field lines. */
  end(trailers?: string): void
  pause(): void
  resume(): void
  /** Fails the call after this time from now; 0 = no timeout. */
  setTimeout(timeoutMs: number): void
  /** Ends the call at any stage. Its handler is not called any more. */
  abort(): void
}
