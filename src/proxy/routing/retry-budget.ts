/** Retries that a service has in hand at most, and to begin with: a first failure can be tried again on a quiet day. */
const RESERVE = 10

/**
 * Bounds how much retries add to a service's load: every request earns a share of a retry, every retry spends one. When
 * all servers fail, they get at most that much more, instead of a multiple.
 */
export class RetryBudget {
  /** Retries allowed per request, 0 to 1. */
  share = 0
  private balance = RESERVE

  earn(): void {
    if (this.balance < RESERVE) this.balance += this.share
  }

  /** Whether a retry may be made; if so, it is paid for. A share of 0 allows none. */
  spend(): boolean {
    if (this.share === 0 || this.balance < 1) return false
    this.balance--
    return true
  }
}
