/** Max wrong tokens from one address within a minute that are answered 401; further ones get 429. */
const MAX_PER_MINUTE = 10
const WINDOW_MS = 60_000
/** Max addresses to remember; beyond that, the oldest is forgotten. */
const MAX_ADDRESSES = 1_000

interface Guesses {
  readonly since: number
  count: number
}

/** Counts wrong tokens by the address of their sender. A right token is accepted whatever the count of its address. */
export class WrongTokens {
  /** All wrong tokens since the start. */
  total = 0
  private readonly now: () => number
  private readonly byPeer = new Map<string, Guesses>()

  /** `now`: monotonic ms. */
  constructor(now: () => number = () => performance.now()) {
    this.now = now
  }

  /**
   * Counts a wrong token. `waitMs`: ms until this address gets 401 instead of 429 again, 0 = now. `isFirst`: this is the
   * first one above the limit.
   */
  add(peer: string): { readonly waitMs: number; readonly isFirst: boolean } {
    this.total++
    const now = this.now()
    let guesses = this.byPeer.get(peer)
    if (guesses === undefined || now - guesses.since >= WINDOW_MS) {
      guesses = { since: now, count: 0 }
      // Inserted again, so that the oldest comes first.
      this.byPeer.delete(peer)
      this.byPeer.set(peer, guesses)
      this.forgetOldest()
    }
    guesses.count++
    const waitMs = guesses.count > MAX_PER_MINUTE ? guesses.since + WINDOW_MS - now : 0
    return { waitMs, isFirst: guesses.count === MAX_PER_MINUTE + 1 }
  }

  private forgetOldest(): void {
    if (this.byPeer.size <= MAX_ADDRESSES) return
    const [oldest = ''] = this.byPeer.keys()
    this.byPeer.delete(oldest)
  }
}
