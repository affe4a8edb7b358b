import type { LeaseTake } from '../leases.ts'

interface Running {
  readonly token: string
  /** Monotonic ms. */
  readonly until: number
}

/** How long the holdings of leases run, in memory. */
export class LeaseTimes {
  readonly #now: () => number
  readonly #byName = new Map<string, Running>()

  /** `now`: a monotonic clock, ms. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether a lease may be taken; a holding of which nothing is known, as after a restart, begins to run. */
  mayTake({ name, from, ttlMs }: LeaseTake): boolean {
    if (from === null) return true
    const running = this.#byName.get(name)
    if (running?.token === from) return running.until <= this.#now()
    this.begin(name, from, ttlMs)
    return false
  }

  /** A holding runs `ttlMs` from now, whatever ran before. */
  begin(name: string, token: string, ttlMs: number): void {
    this.#byName.set(name, { token, until: this.#now() + ttlMs })
  }

  /** As `begin`, unless the lease runs under another token. */
  renew(name: string, token: string, ttlMs: number): boolean {
    const running = this.#byName.get(name)
    if (running !== undefined && running.token !== token) return false
    this.begin(name, token, ttlMs)
    return true
  }
}
