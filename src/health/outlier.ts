import type { PassiveSpec } from '../model/spec.ts'

/** A pool as far as ejection goes. */
export interface WatchedPool {
  readonly spec: PassiveSpec
  /** The servers that would take requests if none were ejected: ready, of some weight, found up, in a pool with traffic. */
  readonly keys: readonly string[]
}

/** How a proxy half shall treat a server: as its checks say, not at all, or with one single request. */
export type Standing = 'in' | 'ejected' | 'trial'

interface Failures {
  /** Oldest first, and no more of them than eject. */
  readonly times: readonly number[]
  /** The proxy half that met the last one. */
  readonly half: string
}

interface Ejection {
  readonly onTrial: boolean
  /** When it was ejected or, on trial, when that was last given to a half. */
  readonly since: number
  /** Who has the trial, or gets it first: a half that has requests for this server. */
  readonly half: string
}

/**
 * Decides from the failures that proxy halves report which servers are ejected. `maxFails` of them in a row within
 * `failTimeoutMs` eject a server for as long; then one half may try it with one request. If that succeeds the server is
 * back and nothing is held against it, if not it is ejected for as long again. A trial that has no outcome by then (no
 * request came, or it hangs) is given to the next half: a server that is ejected sees a request per `failTimeoutMs`.
 *
 * At no time are more than `maxEjected` of a pool's servers ejected, rounded down, and never the last one: a failing
 * server is better than none, as nginx has it. The pool is what would take requests otherwise, unlike Envoy's, which is
 * all servers: somebody has to be left when half of them are in drain. Those on trial count as ejected. Where the pool
 * shrinks, who was ejected first is let in again; who has failed enough while there was no room is ejected as soon as
 * there is, as long as the failures count.
 *
 * Times are monotonic milliseconds. Methods return the keys whose standing may have changed.
 */
export class Outliers {
  readonly #failures = new Map<string, Failures>()
  /** In the order they were ejected, a failed trial being the last time. */
  readonly #ejections = new Map<string, Ejection>()
  #pools: ReadonlyMap<string, WatchedPool> = new Map()
  readonly #halves = new Set<string>()

  /**
   * Sets all servers that may be ejected and by which spec, which applies at once. Whatever is left out (gone, drained,
   * found down, without traffic) is forgotten: it will not be the same when it takes requests again.
   */
  watch(pools: readonly WatchedPool[], nowMs: number): readonly string[] {
    this.#pools = new Map(pools.flatMap((pool) => pool.keys.map((key) => [key, pool])))
    for (const key of this.#failures.keys()) if (!this.#pools.has(key)) this.#failures.delete(key)
    const forgotten = [...this.#ejections.keys()].filter((key) => !this.#pools.has(key))
    for (const key of forgotten) this.#ejections.delete(key)
    return [...forgotten, ...this.#settle(pools, nowMs)]
  }

  /** Takes what a proxy half has met since it last said so: failures by key. Trials are not among them. */
  failed(half: string, counts: readonly (readonly [string, number])[], nowMs: number): readonly string[] {
    const touched = new Set<WatchedPool>()
    for (const [key, count] of counts) {
      const pool = this.#pools.get(key)
      // What was under way when a server was ejected says nothing new.
      if (pool === undefined || this.#ejections.has(key)) continue
      const { maxFails } = pool.spec
      const news = Array<number>(Math.min(count, maxFails)).fill(nowMs)
      const times = [...(this.#failures.get(key)?.times ?? []), ...news].slice(-maxFails)
      this.#failures.set(key, { times, half })
      touched.add(pool)
    }
    return this.#settle(touched, nowMs)
  }

  /** Servers that have served a request: what failed there before it was no failure in a row. */
  recovered(keys: readonly string[]): void {
    for (const key of keys) this.#failures.delete(key)
  }

  /** Takes the outcome of a trial; one that nobody waits for any more changes nothing. */
  tried(key: string, ok: boolean, nowMs: number): readonly string[] {
    const ejection = this.#ejections.get(key)
    const pool = this.#pools.get(key)
    if (pool === undefined || ejection === undefined || !ejection.onTrial) return []
    this.#ejections.delete(key)
    if (!ok) this.#ejections.set(key, { ...ejection, onTrial: false, since: nowMs })
    return [key, ...this.#settle([pool], nowMs)]
  }

  /** Gives out the trials that are due. */
  advance(nowMs: number): readonly string[] {
    return this.#settle(new Set(this.#pools.values()), nowMs)
  }

  /** When `advance` has something to do; null = not before something else happens. */
  nextAt(): number | null {
    const times = [...this.#ejections.keys()].map((key) => this.#dueAt(key))
    return times.length === 0 ? null : Math.min(...times)
  }

  /** A proxy half that reports failures and may be given trials. */
  attach(half: string): void {
    this.#halves.add(half)
  }

  /** A proxy half that was there before us has these ejected: they stay so for another `failTimeoutMs`. */
  adopt(keys: readonly string[], half: string, nowMs: number): void {
    for (const key of keys) {
      const pool = this.#pools.get(key)
      if (pool === undefined || this.#ejections.has(key)) continue
      const already = pool.keys.filter((each) => this.#ejections.has(each)).length
      if (already < mostEjected(pool)) this.#ejections.set(key, { onTrial: false, since: nowMs, half })
    }
  }

  /** A proxy half is gone; its trials go to another. */
  detach(half: string): readonly string[] {
    const held = [...this.#ejections].filter(([key]) => this.standing(key, half) === 'trial')
    this.#halves.delete(half)
    for (const [key, ejection] of held) this.#ejections.set(key, { ...ejection, half: this.#halfAfter(half) })
    return held.map(([key]) => key)
  }

  /** How this half shall treat this server; `in` for one that is not watched. */
  standing(key: string, half: string): Standing {
    const ejection = this.#ejections.get(key)
    if (ejection === undefined) return 'in'
    return ejection.onTrial && ejection.half === half ? 'trial' : 'ejected'
  }

  /** Whether a server is ejected, on trial or not. */
  isEjected(key: string): boolean {
    return this.#ejections.has(key)
  }

  #settle(pools: Iterable<WatchedPool>, nowMs: number): string[] {
    return [...pools].flatMap((pool) => this.#settlePool(pool, nowMs))
  }

  #settlePool(pool: WatchedPool, nowMs: number): string[] {
    const most = mostEjected(pool)
    const before = [...this.#ejections].filter(([key]) => this.#pools.get(key) === pool)
    const surplus = Math.max(0, before.length - most)
    const released = before.slice(0, surplus).map(([key]) => key)
    for (const key of released) this.#ejections.delete(key)

    const due = before.slice(surplus).filter(([key]) => this.#dueAt(key) <= nowMs)
    for (const [key, { onTrial, half }] of due) {
      const holder = !onTrial && this.#halves.has(half) ? half : this.#halfAfter(half)
      this.#ejections.set(key, { onTrial: true, since: nowMs, half: holder })
    }

    const failing = pool.keys.filter((key) => this.#hasFailedEnough(key, pool.spec, nowMs))
    const ejected = failing.slice(0, most - (before.length - surplus))
    for (const key of ejected) {
      this.#ejections.set(key, { onTrial: false, since: nowMs, half: this.#failures.get(key)?.half ?? '' })
      this.#failures.delete(key)
    }
    return [...released, ...due.map(([key]) => key), ...ejected]
  }

  #hasFailedEnough(key: string, { maxFails, failTimeoutMs }: PassiveSpec, nowMs: number): boolean {
    const first = this.#failures.get(key)?.times.at(-maxFails)
    return first !== undefined && nowMs - first < failTimeoutMs
  }

  #dueAt(key: string): number {
    const ejection = this.#ejections.get(key)
    const pool = this.#pools.get(key)
    if (ejection === undefined || pool === undefined) return Number.POSITIVE_INFINITY
    return ejection.since + pool.spec.failTimeoutMs
  }

  #halfAfter(half: string): string {
    const halves = [...this.#halves]
    return halves[(halves.indexOf(half) + 1) % halves.length] ?? half
  }
}

function mostEjected({ spec, keys }: WatchedPool): number {
  const share = spec.maxFails === 0 ? 0 : Math.floor((keys.length * spec.maxEjected) / 100)
  return Math.max(0, Math.min(share, keys.length - 1))
}
