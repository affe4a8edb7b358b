import type { FailureCount, TrialOutcome } from '../model/messages.ts'
import type { PassiveSpec } from '../model/spec.ts'

/** A pool whose servers may be ejected. */
export interface WatchedPool {
  /** Identity: `service/pool`. */
  readonly name: string
  readonly spec: PassiveSpec
  /** The servers that would take requests if none were ejected: ready, weight above 0, up, in a pool with traffic. */
  readonly keys: readonly string[]
  /** Whether other servers take over if all of these are ejected; absent = no. */
  readonly hasBackup?: boolean
}

/**
 * How a proxy treats a server: by its health checks (`in`), not at all (`ejected`), or with one single request
 * (`trial`).
 */
export type EjectionState = 'in' | 'ejected' | 'trial'

interface Failures {
  /** Times of the last `maxFails` failures, oldest first, monotonic ms. */
  readonly times: readonly number[]
  /** The proxy that reported the last failure. */
  readonly proxy: string
  /** The last failure was a connection failure: the server may be restarting. */
  readonly unreachable: boolean
}

interface Ejection {
  /** When the server was ejected; monotonic ms. */
  readonly beganAt: number
  readonly onTrial: boolean
  /** When the server was ejected or, on trial, when the trial was last given to a proxy; monotonic ms. */
  readonly since: number
  /** The proxy that has the trial, or gets the next one: a proxy with requests for this server. */
  readonly proxy: string
  /** A connection failure caused it: a passed check of the server ends it. */
  readonly unreachable: boolean
}

interface Pool extends WatchedPool {
  /** By server, in the order of ejection; a failed trial counts as a new ejection. */
  readonly ejections: Map<string, Ejection>
}

/** Min time, ms, that a server stays ejected when all others of its pool become unreachable. */
const MIN_EJECTED_MS = 1_000

/**
 * Decides from the failures that proxies report which servers are ejected. `maxFails` consecutive failures within
 * `failTimeoutMs` eject a server for `failTimeoutMs`; then one proxy may try it with one request. If that request
 * succeeds, the server is back with no failures counted; if not, the server is ejected for `failTimeoutMs` again. A
 * trial without an outcome after `failTimeoutMs` (no request came, or it hangs) is given to the next proxy: an ejected
 * server gets about one request per `failTimeoutMs`. An ejection caused by connection failures ends earlier, when a
 * check of the server passes.
 *
 * At most `maxEjected` percent of a pool's servers are ejected, rounded down, and never the last one: a failing server
 * is better than none, as in nginx. The percentage is of the servers that could take requests otherwise, unlike in
 * Envoy, where it is of all servers: servers in drain must not use up those that are left. Servers on trial count as
 * ejected. If the pool shrinks, the server that was ejected first is un-ejected. A server that fails often enough while
 * the limit is reached is ejected as soon as there is room, if its failures still count then. If every remaining server
 * has become unreachable, they are ejected in exchange for the ejected ones. If backups are up, they take over from a pool
 * whose servers all fail: all of these are ejected then.
 *
 * Times are monotonic milliseconds. Methods return the keys whose ejection state may have changed; their cost depends
 * on the size of the pools concerned, not on the number of other pools.
 */
export class Outliers {
  readonly #failures = new Map<string, Failures>()
  readonly #pools = new Map<string, Pool>()
  readonly #poolOf = new Map<string, Pool>()
  /** Pools with at least one ejected server. */
  readonly #ejecting = new Set<Pool>()
  readonly #proxies = new Set<string>()

  /**
   * Sets which servers of these pools may be ejected, and by which spec; the spec applies at once. Other pools stay as
   * they are; a pool without keys is forgotten. A server that is left out (removed, drained, down, without traffic) is
   * forgotten: its failures say nothing about the time when it takes requests again. `moved`: previous key of servers
   * by new key.
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
    for (const { name, spec, keys, hasBackup = false } of pools) {
      if (keys.length === 0) continue
      const pool = { name, spec, keys, hasBackup, ejections: new Map() }
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

  /** Counts failures that a proxy has reported; trials are not among them. */
  failed(proxy: string, counts: readonly FailureCount[], nowMs: number): string[] {
    const touched = new Set<Pool>()
    for (const [key, count, unreachable] of counts) {
      const pool = this.#poolOf.get(key)
      // Requests that were in flight when the server was ejected add nothing.
      if (pool === undefined || pool.ejections.has(key)) continue
      const { maxFails } = pool.spec
      const news = Array<number>(Math.min(count, maxFails)).fill(nowMs)
      const times = [...(this.#failures.get(key)?.times ?? []), ...news].slice(-maxFails)
      this.#failures.set(key, { times, proxy, unreachable })
      touched.add(pool)
    }
    return [...touched].flatMap((pool) => this.#settle(pool, nowMs))
  }

  /** Resets the consecutive failures of servers that have served a request. */
  recovered(keys: readonly string[]): void {
    for (const key of keys) this.#failures.delete(key)
  }

  /** Takes the outcome of a trial; ignored if the server is not on trial any more. */
  tried(key: string, outcome: TrialOutcome, nowMs: number): string[] {
    const pool = this.#poolOf.get(key)
    const ejection = pool?.ejections.get(key)
    if (pool === undefined || ejection === undefined || !ejection.onTrial) return []
    pool.ejections.delete(key)
    if (outcome !== 'ok') {
      const unreachable = outcome === 'unreachable'
      pool.ejections.set(key, { ...newEjection(nowMs, ejection.proxy), unreachable })
    }
    return [key, ...this.#settle(pool, nowMs)]
  }

  /**
   * Takes a passed check of the server that began at `beganMs`: ends an ejection that connection failures caused
   * before.
   */
  passed(key: string, beganMs: number, nowMs: number): string[] {
    const pool = this.#poolOf.get(key)
    const ejection = pool?.ejections.get(key)
    if (pool === undefined || ejection === undefined || !ejection.unreachable || beganMs < ejection.since) return []
    pool.ejections.delete(key)
    return [key, ...this.#settle(pool, nowMs)]
  }

  /** Starts the trials that are due. */
  advance(nowMs: number): string[] {
    return [...this.#ejecting].flatMap((pool) => this.#settle(pool, nowMs))
  }

  /** When `advance` is due next; null = no server is ejected. */
  nextAt(): number | null {
    let next: number | null = null
    for (const { spec, ejections } of this.#ejecting)
      for (const { since } of ejections.values()) {
        const dueAt = since + spec.failTimeoutMs
        if (next === null || dueAt < next) next = dueAt
      }
    return next
  }

  /** Adds a proxy that reports failures and may be given trials. */
  attach(proxy: string): void {
    this.#proxies.add(proxy)
  }

  /**
   * Takes over the ejections of a proxy that was started by a previous control process: its servers stay ejected for
   * another `failTimeoutMs`. Returns the keys that this ejects.
   */
  adopt(keys: readonly string[], proxy: string, nowMs: number): string[] {
    const known = new Set(keys)
    return keys.filter((key) => {
      const pool = this.#poolOf.get(key)
      if (pool === undefined || pool.ejections.has(key)) return false
      const others = pool.keys.filter((each) => known.has(each) && !pool.ejections.has(each))
      if (pool.ejections.size >= maxEjected(pool, others.length)) return false
      // The cause of the ejection is not known: assume that it was not a connection failure.
      pool.ejections.set(key, newEjection(nowMs, proxy))
      this.#ejecting.add(pool)
      return true
    })
  }

  /** Removes a proxy; its trials go to another. */
  detach(proxy: string): string[] {
    this.#proxies.delete(proxy)
    const changed: string[] = []
    for (const { ejections } of this.#ejecting)
      for (const [key, ejection] of ejections) {
        if (!ejection.onTrial || ejection.proxy !== proxy) continue
        ejections.set(key, { ...ejection, proxy: this.#proxyAfter(proxy) })
        changed.push(key)
      }
    return changed
  }

  /** How this proxy treats this server; `in` if the server is not watched. */
  ejectionState(key: string, proxy: string): EjectionState {
    const ejection = this.#poolOf.get(key)?.ejections.get(key)
    if (ejection === undefined) return 'in'
    return ejection.onTrial && ejection.proxy === proxy ? 'trial' : 'ejected'
  }

  /** Whether a server is ejected, on trial or not. */
  isEjected(key: string): boolean {
    return this.#poolOf.get(key)?.ejections.has(key) === true
  }

  /**
   * When a server was ejected, and until when it gets no request at all; null = since then, one request may try it. Returns
   * null if it is not ejected. Monotonic ms.
   */
  ejection(key: string): { readonly since: number; readonly until: number | null } | null {
    const pool = this.#poolOf.get(key)
    const ejection = pool?.ejections.get(key)
    if (pool === undefined || ejection === undefined) return null
    const { beganAt, onTrial } = ejection
    return { since: beganAt, until: onTrial ? null : beganAt + pool.spec.failTimeoutMs }
  }

  /** Releases, tries and ejects servers of a pool as far as its limits allow now. */
  #settle(pool: Pool, nowMs: number): string[] {
    const { spec, keys, hasBackup, ejections } = pool
    const failing = keys.filter((key) => !ejections.has(key) && this.#hasFailedEnough(key, spec, nowMs))
    const max = maxEjected(pool, failing.length)
    const before = [...ejections]
    const surplus = before.slice(0, Math.max(0, before.length - max))
    const areAllUnreachable =
      !hasBackup &&
      failing.length > 0 &&
      failing.length === keys.length - before.length &&
      failing.every((key) => this.#failures.get(key)?.unreachable === true)
    const exchanged = areAllUnreachable ? before.filter(([, { since }]) => nowMs - since >= MIN_EJECTED_MS) : []
    const released = [...new Set([...surplus, ...exchanged].map(([key]) => key))]
    for (const key of released) ejections.delete(key)

    const due = [...ejections].filter(([, { since }]) => since + spec.failTimeoutMs <= nowMs)
    for (const [key, ejection] of due) {
      const { onTrial, proxy } = ejection
      const holder = !onTrial && this.#proxies.has(proxy) ? proxy : this.#proxyAfter(proxy)
      ejections.set(key, { ...ejection, onTrial: true, since: nowMs, proxy: holder })
    }

    const ejected = failing.slice(0, Math.max(0, max - ejections.size))
    for (const key of ejected) {
      const { proxy = '', unreachable = false } = this.#failures.get(key) ?? {}
      ejections.set(key, { ...newEjection(nowMs, proxy), unreachable })
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

  #proxyAfter(proxy: string): string {
    const proxies = [...this.#proxies]
    return proxies[(proxies.indexOf(proxy) + 1) % proxies.length] ?? proxy
  }
}

/** An ejection that begins now; it is not known to be for a connection failure. */
function newEjection(nowMs: number, proxy: string): Ejection {
  return { beganAt: nowMs, onTrial: false, since: nowMs, proxy, unreachable: false }
}

/** Max number of servers of a pool that may be ejected at the same time. `failing`: number that would be next. */
function maxEjected({ spec, keys, hasBackup, ejections }: Pool, failing: number): number {
  if (spec.maxFails === 0 || spec.maxEjected === 0) return 0
  if (hasBackup && ejections.size + failing === keys.length) return keys.length
  return Math.max(0, Math.min(Math.floor((keys.length * spec.maxEjected) / 100), keys.length - 1))
}
