/** So many wrong tokens from one address within a minute are answered 401, further ones 429. */
const MAX_A_MINUTE = 10
const WINDOW_MS = 60_000
/** Addresses that are remembered; more than these, and the oldest is forgotten. */
const MAX_ADDRESSES = 1_000

interface Guesses {
  readonly since: number
  count: number
}

/** Wrong tokens by the address that they came from. A right token is never counted against, whoever guesses beside it. */
export class WrongTokens {
  /** All there were. */
  total = 0
  private readonly now: () => number
  private readonly byPeer = new Map<string, Guesses>()

  /** `now`: monotonic ms. */
  constructor(now: () => number = () => performance.now()) {
    this.now = now
  }

  /** Counts one; ms until this address may guess again, 0 = it may. `isFirst`: it is the first that may not. */
  add(peer: string): { readonly waitMs: number; readonly isFirst: boolean } {
    this.total++
    const now = this.now()
    let guesses = this.byPeer.get(peer)
    if (guesses === undefined || now - guesses.since >= WINDOW_MS) {
      guesses = { since: now, count: 0 }
      // Anew, so that the oldest comes first.
      this.byPeer.delete(peer)
      this.byPeer.set(peer, guesses)
      this.forgetOldest()
    }
    guesses.count++
    const waitMs = guesses.count > MAX_A_MINUTE ? guesses.since + WINDOW_MS - now : 0
    return { waitMs, isFirst: guesses.count === MAX_A_MINUTE + 1 }
  }

  private forgetOldest(): void {
    if (this.byPeer.size <= MAX_ADDRESSES) return
    const [oldest = ''] = this.byPeer.keys()
    this.byPeer.delete(oldest)
  }
}
