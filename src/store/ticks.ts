/** Exchanges the ticks of the instances that share a store. It passes them on without interpreting them. */
export interface TickExchange {
  /**
   * Adds ticks to those that are to be summed up. `sequence`: grows with each call of one `source`; a repeated one adds
   * nothing. Resolves with whether it is this instance's turn to sum up. Throws StoreUnavailable; the ticks may have been
   * added then.
   */
  send(source: string, sequence: number, ticks: string): Promise<{ readonly isTurn: boolean }>
  /** Reads the ticks that are not summed up yet. Throws StoreUnavailable. */
  pending(): Promise<PendingTicks>
  /**
   * Publishes the sum of pending ticks, unless another instance has summed them up: returns false then. Throws
   * StoreUnavailable.
   */
  publish(pending: PendingTicks, sum: string): Promise<boolean>
  /**
   * Sets the listener for published sums, oldest first: those of the last minutes, and every new one. `isNext`: false =
   * sums between the previous one and this one are missing.
   */
  onSum(listener: (sum: string, isNext: boolean) => void): void
}

export interface PendingTicks {
  /** Positions of the exchange before the first of them, and at the last one. */
  readonly after: string
  readonly to: string
  readonly ticks: readonly string[]
}
