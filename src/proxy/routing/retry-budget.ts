/** Max and initial number of retries in the budget of a service, so that failures are retried even at low traffic. */
const RESERVE = 10

/**
 * Limits the load that retries add to a service: every request earns a fraction of a retry, every retry spends one.
 * When all servers fail, retries add at most this fraction to the load, instead of multiplying it.
 */
export class RetryBudget {
  /** Retries allowed per request, 0 to 1. */
  share = 0
  private balance = RESERVE

  /** Adds the share of one request. */
  earn(): void {
    if (this.balance < RESERVE) this.balance += this.share
  }

  /** Spends one retry; returns false if the budget does not allow it. A share of 0 allows none. */
  spend(): boolean {
    if (this.share === 0 || this.balance < 1) return false
    this.balance--
    return true
  }
}
