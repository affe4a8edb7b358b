import type { FailureCount, TrialOutcome } from '../model/messages.ts'
import type { PassiveSpec } from '../model/spec.ts'

/** A pool as far as ejection goes. */
export interface WatchedPool {
  /** Identity: `service/pool`. */
  readonly name: string
  readonly spec: PassiveSpec
  /** The servers that would take requests if none were ejected: ready, of some weight, found up, in a pool with traffic. */
  readonly keys: readonly string[]
}

/** How a proxy half treats a server: as its checks say, not at all, or with one single request. */
export type Standing = 'in' | 'ejected' | 'trial'

interface Failures {
  /** Oldest first, and no more of them than eject. */
  readonly times: readonly number[]
  /** The proxy half that met the last one. */
  readonly half: string
  /** The last one was a failure of the connection: the server may be restarting. */
  readonly unreachable: boolean
}

interface Ejection {
  readonly onTrial: boolean
  /** When it was ejected or, on trial, when that was last given to a half. */
  readonly since: number
  /** The half that has the trial, or gets it first: one that has requests for this server. */
  readonly half: string
  /** A failure of the connection began it: a check that passes ends it. */
  readonly unreachable: boolean
}

interface Pool extends WatchedPool {
  /** In the order the servers were ejected, a failed trial being the last time. */
  readonly ejections: Map<string, Ejection>
}

/** A server stays ejected at least this long where all others of its pool have become unreachable, ms. */
const MIN_EJECTED_MS = 1_000

/**
 * Decides from the failures that proxy halves report which servers are ejected. `maxFails` of them in a row within
 * `failTimeoutMs` eject a server for as long; then one half may try it with one request. If that succeeds the server is
 * back and nothing is held against it, if not it is ejected for as long again. A trial that has no outcome by then (no
 * request came, or it hangs) is given to the next half: a server that is ejected sees a request per `failTimeoutMs`.
 * An ejection that failures of the connection began ends earlier: when a check of the server passes.
 *
 * At no time are more than `maxEjected` of a pool's servers ejected, rounded down, and never the last one: a failing
 * server is better than none, as nginx has it. The pool is what would take requests otherwise, unlike Envoy's, which is
 * all servers: somebody has to be left when half of them are in drain. Those on trial count as ejected. Where the pool
 * shrinks, the server that was ejected first is let in again; one that has failed enough while there was no room is
 * ejected as soon as there is, as long as the failures count. Where every server that is left has become unreachable,
 * they change places with those that are ejected.
 *
 * Times are monotonic milliseconds. Methods return the keys whose standing may have changed, and cost as much as the
 * pools concerned are large, however many others there are.
 */
export class Outliers {
  readonly #failures = new Map<string, Failures>()
  readonly #pools = new Map<string, Pool>()
  readonly #poolOf = new Map<string, Pool>()
  /** Pools with a server that is ejected. */
  readonly #ejecting = new Set<Pool>()
  readonly #halves = new Set<string>()

  /**
   * Sets which servers of these pools may be ejected and by which spec, which applies at once; other pools stay as they
   * are, one without keys is forgotten. A server that is left out (gone, drained, found down, without traffic) is
   * forgotten: it will not be the same when it takes requests again. `moved`: servers that are known by another key from
   * now on, old key by new key.
   */
  watch(pools: readonly WatchedPool[], nowMs: number, moved: ReadonlyMap<string, string> = new Map()): string[] {
    const ejections: [string, Ejection][] = []
    const failures = new Map<string, Failures>()
    for (const { name } of pools) {
      const pool = this.#pools.get(name)
      if (pool === undefined) continue
      ejections.push(...pool.ejections)
      for (const key of pool.keys) {
        const known = this.#failures.get(key)
        if (known !== undefined) failures.set(key, known)
        this.#failures.delete(key)
        this.#poolOf.delete(key)
      }
      this.#pools.delete(name)
      this.#ejecting.delete(pool)
    }
    const keyBefore = (key: string): string => moved.get(key) ?? key
    const keyNow = new Map<string, string>()
    const watched: Pool[] = []
    for (const { name, spec, keys } of pools) {
      if (keys.length === 0) continue
      const pool = { name, spec, keys, ejections: new Map() }
      this.#pools.set(name, pool)
      watched.push(pool)
      for (const key of keys) {
        this.#poolOf.set(key, pool)
        keyNow.set(keyBefore(key), key)
        const known = failures.get(keyBefore(key))
        if (known !== undefined) this.#failures.set(key, known)
      }
    }
    const changed = ejections.flatMap(([before, ejection]) => {
      const now = keyNow.get(before)
      if (now !== undefined) this.#poolOf.get(now)?.ejections.set(now, ejection)
      return now === before ? [] : now === undefined ? [before] : [before, now]
    })
    return [...changed, ...watched.flatMap((pool) => this.#settle(pool, nowMs))]
  }

  /** Takes what a proxy half has met since it last said so. Trials are not among them. */
  failed(half: string, counts: readonly FailureCount[], nowMs: number): string[] {
    const touched = new Set<Pool>()
    for (const [key, count, unreachable] of counts) {
      const pool = this.#poolOf.get(key)
      // What was under way when a server was ejected says nothing new.
      if (pool === undefined || pool.ejections.has(key)) continue
      const { maxFails } = pool.spec
      const news = Array<number>(Math.min(count, maxFails)).fill(nowMs)
      const times = [...(this.#failures.get(key)?.times ?? []), ...news].slice(-maxFails)
      this.#failures.set(key, { times, half, unreachable })
      touched.add(pool)
    }
    return [...touched].flatMap((pool) => this.#settle(pool, nowMs))
  }

  /** Servers that have served a request: what failed there before it was no failure in a row. */
  recovered(keys: readonly string[]): void {
    for (const key of keys) this.#failures.delete(key)
  }

  /** Takes the outcome of a trial; one that nobody waits for any more changes nothing. */
  tried(key: string, outcome: TrialOutcome, nowMs: number): string[] {
    const pool = this.#poolOf.get(key)
    const ejection = pool?.ejections.get(key)
    if (pool === undefined || ejection === undefined || !ejection.onTrial) return []
    pool.ejections.delete(key)
    if (outcome !== 'ok') {
      const unreachable = outcome === 'unreachable'
      pool.ejections.set(key, { half: ejection.half, onTrial: false, since: nowMs, unreachable })
    }
    return [key, ...this.#settle(pool, nowMs)]
  }

  /** A check of the server, begun at `beganMs`, has passed. */
  passed(key: string, beganMs: number, nowMs: number): string[] {
    const pool = this.#poolOf.get(key)
    const ejection = pool?.ejections.get(key)
    if (pool === undefined || ejection === undefined || !ejection.unreachable || beganMs < ejection.since) return []
    pool.ejections.delete(key)
    return [key, ...this.#settle(pool, nowMs)]
  }

  /** Gives out the trials that are due. */
  advance(nowMs: number): string[] {
    return [...this.#ejecting].flatMap((pool) => this.#settle(pool, nowMs))
  }

  /** When `advance` has something to do; null = not before something else happens. */
  nextAt(): number | null {
    let next: number | null = null
    for (const { spec, ejections } of this.#ejecting)
      for (const { since } of ejections.values()) {
        const dueAt = since + spec.failTimeoutMs
        if (next === null || dueAt < next) next = dueAt
      }
    return next
  }

  /** A proxy half that reports failures and may be given trials. */
  attach(half: string): void {
    this.#halves.add(half)
  }

  /**
   * A proxy half that was there before us has these ejected: they stay so for another `failTimeoutMs`. Returns those
   * that are ejected by it.
   */
  adopt(keys: readonly string[], half: string, nowMs: number): string[] {
    return keys.filter((key) => {
      const pool = this.#poolOf.get(key)
      if (pool === undefined || pool.ejections.has(key) || pool.ejections.size >= mostEjected(pool)) return false
      // What it was ejected for is not known any more.
      pool.ejections.set(key, { onTrial: false, since: nowMs, half, unreachable: false })
      this.#ejecting.add(pool)
      return true
    })
  }

  /** A proxy half is gone; its trials go to another. */
  detach(half: string): string[] {
    this.#halves.delete(half)
    const changed: string[] = []
    for (const { ejections } of this.#ejecting)
      for (const [key, ejection] of ejections) {
        if (!ejection.onTrial || ejection.half !== half) continue
        ejections.set(key, { ...ejection, half: this.#halfAfter(half) })
        changed.push(key)
      }
    return changed
  }

  /** How this half treats this server; `in` for one that is not watched. */
  standing(key: string, half: string): Standing {
    const ejection = this.#poolOf.get(key)?.ejections.get(key)
    if (ejection === undefined) return 'in'
    return ejection.onTrial && ejection.half === half ? 'trial' : 'ejected'
  }

  /** Whether a server is ejected, on trial or not. */
  isEjected(key: string): boolean {
    return this.#poolOf.get(key)?.ejections.has(key) === true
  }

  #settle(pool: Pool, nowMs: number): string[] {
    const { spec, keys, ejections } = pool
    const most = mostEjected(pool)
    const failing = keys.filter((key) => !ejections.has(key) && this.#hasFailedEnough(key, spec, nowMs))
    const before = [...ejections]
    const surplus = before.slice(0, Math.max(0, before.length - most))
    const isNobodyLeft =
      failing.length === keys.length - before.length &&
      failing.every((key) => this.#failures.get(key)?.unreachable === true)
    const rested = isNobodyLeft ? before.filter(([, { since }]) => nowMs - since >= MIN_EJECTED_MS) : []
    const released = [...new Set([...surplus, ...rested].map(([key]) => key))]
    for (const key of released) ejections.delete(key)

    const due = [...ejections].filter(([, { since }]) => since + spec.failTimeoutMs <= nowMs)
    for (const [key, ejection] of due) {
      const { onTrial, half } = ejection
      const holder = !onTrial && this.#halves.has(half) ? half : this.#halfAfter(half)
      ejections.set(key, { ...ejection, onTrial: true, since: nowMs, half: holder })
    }

    const ejected = failing.slice(0, Math.max(0, most - ejections.size))
    for (const key of ejected) {
      const { half = '', unreachable = false } = this.#failures.get(key) ?? {}
      ejections.set(key, { onTrial: false, since: nowMs, half, unreachable })
      this.#failures.delete(key)
    }
    if (ejections.size > 0) this.#ejecting.add(pool)
    else this.#ejecting.delete(pool)
    return [...released, ...due.map(([key]) => key), ...ejected]
  }

  #hasFailedEnough(key: string, { maxFails, failTimeoutMs }: PassiveSpec, nowMs: number): boolean {
    const first = this.#failures.get(key)?.times.at(-maxFails)
    return first !== undefined && nowMs - first < failTimeoutMs
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
