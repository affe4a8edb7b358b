import type { ServerTls } from '../model/server-address.ts'
import { addressIn, type ServerAddress } from '../model/server-address.ts'
import type { HealthSpec } from '../model/spec.ts'
import { Endpoint } from '../net/endpoint.ts'
import type { LastProbe, TargetHealth } from './check.ts'
import { Check } from './check.ts'
import { ProbeGate } from './probe-gate.ts'

export interface CheckedTarget extends ServerAddress {
  /** Identity; includes the address, so that a target that moves is a new target (`targetKey`). */
  readonly key: string
  readonly spec: HealthSpec
  /** Health to assume until the first result; used only if the target was not checked before. */
  readonly known?: TargetHealth
}

export interface HealthCheckerOptions {
  /** Milliseconds since the epoch; only for times shown to people. */
  readonly now?: () => number
  /** Returns a number from 0 to below 1. */
  readonly random?: () => number
  /** Called for every target whose health has changed, after `get` returns the new health. May call the checker. */
  readonly onChange: (key: string, health: 'up' | 'down', last: LastProbe) => void
  /** Called for every target after every probe, after `onChange`. */
  readonly onProbe?: (key: string, last: LastProbe) => void
}

const UNCHECKED: TargetHealth = { health: 'unknown', probed: false, last: null }

/**
 * Finds out by probing which targets are up. Targets with the same address and the same spec share one check. All
 * checks run in parallel, each at its own interval.
 */
export class HealthChecker {
  readonly #options: Required<HealthCheckerOptions>
  readonly #gate = new ProbeGate()
  /** By address and spec. */
  readonly #checks = new Map<string, Check>()
  readonly #checkOf = new Map<string, Check>()
  /** Checks in their first round, see `isUndecided`. */
  readonly #undecided = new Set<Check>()

  constructor(options: HealthCheckerOptions) {
    this.#options = { now: Date.now, random: Math.random, onProbe: () => undefined, ...options }
  }

  /**
   * Checks these targets by their specs from now on, and stops checking `dropped`; other targets are checked as before.
   * A target joins an existing check of its address and spec, and takes over its health. Otherwise a new check begins
   * at once, with the health known so far of its address. A check without targets is stopped, and its current probe aborted.
   */
  change(targets: Iterable<CheckedTarget>, dropped: Iterable<string> = []): void {
    const left = new Set<Check>()
    for (const target of targets) {
      const before = this.#checkOf.get(target.key)
      const id = idOf(target, target.spec)
      const check = this.#checks.get(id) ?? this.#begin(id, target, before)
      if (check === before) continue
      before?.keys.delete(target.key)
      if (before !== undefined) left.add(before)
      check.keys.add(target.key)
      this.#checkOf.set(target.key, check)
    }
    for (const key of dropped) {
      const check = this.#checkOf.get(key)
      if (check === undefined) continue
      this.#checkOf.delete(key)
      check.keys.delete(key)
      left.add(check)
    }
    for (const check of left) {
      if (check.keys.size > 0) continue
      check.stop()
      this.#checks.delete(check.id)
      this.#undecided.delete(check)
    }
  }

  /**
   * Takes over the health of a target that was found elsewhere, unless it is known here. Returns the targets it
   * changes.
   */
  adopt(key: string, health: 'up' | 'down'): string[] {
    const check = this.#checkOf.get(key)
    if (check === undefined || check.known.health !== 'unknown') return []
    check.known = { ...check.known, health, probed: true }
    this.#undecided.delete(check)
    return [...check.keys]
  }

  /** Returns the health of a target; `unknown` if it is not checked. */
  get(key: string): TargetHealth {
    return this.#checkOf.get(key)?.known ?? UNCHECKED
  }

  /** Returns the health of an address by a spec, whichever target it belongs to; null = there is no such check. */
  find(address: ServerAddress, spec: HealthSpec): TargetHealth | null {
    return this.#checks.get(idOf(address, spec))?.known ?? null
  }

  /** Probes targets now instead of at the end of their intervals. */
  probeNow(keys: Iterable<string>): void {
    for (const key of keys) this.#checkOf.get(key)?.hurry()
  }

  /** Number of checks in their first round. */
  get undecidedCount(): number {
    return this.#undecided.size
  }

  /** Whether the check of a target is in its first round. */
  isUndecided(key: string): boolean {
    const check = this.#checkOf.get(key)
    return check !== undefined && this.#undecided.has(check)
  }

  /** Keys of targets whose checks are in their first round, at most `max` of them. */
  undecided(max: number): string[] {
    const keys: string[] = []
    for (const check of this.#undecided)
      for (const key of check.keys) {
        if (keys.length === max) return keys
        keys.push(key)
      }
    return keys
  }

  /** Stops all checks; leaves no timer or socket that keeps the process alive. */
  stop(): void {
    this.change([], [...this.#checkOf.keys()])
  }

  #begin(id: string, target: CheckedTarget, before: Check | undefined): Check {
    const { now, random, onChange, onProbe } = this.#options
    const check = new Check({
      id,
      address: addressOf(target),
      endpoint: new Endpoint(addressIn(target)),
      spec: target.spec,
      gate: this.#gate,
      now,
      random,
      onResult: (last, changed) => {
        if (!isUndecided(check.known)) this.#undecided.delete(check)
        // Copied: the callbacks may change the targets of this check.
        for (const key of [...check.keys]) {
          if (changed !== null) onChange(key, changed, last)
          onProbe(key, last)
        }
      },
    })
    if (before?.address === check.address) check.follow(before)
    else if (target.known !== undefined) check.known = target.known
    this.#checks.set(id, check)
    if (isUndecided(check.known)) this.#undecided.add(check)
    check.begin()
    return check
  }
}

/**
 * Whether the first round of checks of a target continues: no probe has ended, or all have passed but fewer than
 * `rise`. A failure ends the round: the target is not up, even if it takes more failures to be `down`.
 */
function isUndecided({ health, last }: TargetHealth): boolean {
  return health === 'unknown' && (last === null || last.ok || last.isLocal)
}

/** Identity of an address: its URL, and how connections to it begin. */
export function addressOf({ url, tls, proxyProtocol }: ServerAddress): string {
  return `${url} ${proxyProtocol ?? ''} ${tls === undefined ? '' : textOf(tls)}`
}

/** Identity of a check: equal for an equal address and spec. */
function idOf(address: ServerAddress, spec: HealthSpec): string {
  return `${addressOf(address)} ${address.host ?? ''} ${textOf(spec)}`
}

const texts = new WeakMap<object, string>()

/** Text that is equal for equal settings. Cached by object: the servers of one service mostly share one. */
function textOf(settings: HealthSpec | ServerTls): string {
  let text = texts.get(settings)
  if (text === undefined) {
    text = JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)))
    texts.set(settings, text)
  }
  return text
}
