import type { LeaseTake } from '../leases.ts'

interface Running {
  readonly token: string
  /** Monotonic ms. */
  readonly until: number
}

/** End times of the holdings of leases, in memory. */
export class LeaseTimes {
  readonly #now: () => number
  readonly #byName = new Map<string, Running>()

  /** `now`: a monotonic clock, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether a lease may be taken. A holding whose end is unknown, as after a restart, starts to run for `ttlMs`. */
  mayTake({ name, from, ttlMs }: LeaseTake): boolean {
    if (from === null) return true
    const running = this.#byName.get(name)
    if (running?.token === from) return running.until <= this.#now()
    this.begin(name, from, ttlMs)
    return false
  }

  /** Starts a holding that runs `ttlMs` from now; replaces any other holding of the lease. */
  begin(name: string, token: string, ttlMs: number): void {
    this.#byName.set(name, { token, until: this.#now() + ttlMs })
  }

  /** As `begin`; does nothing and returns false if the lease runs under another token. */
  renew(name: string, token: string, ttlMs: number): boolean {
    const running = this.#byName.get(name)
    if (running !== undefined && running.token !== token) return false
    this.begin(name, token, ttlMs)
    return true
  }
}
