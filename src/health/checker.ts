import type { HealthSpec, ServerTls } from '../model/spec.ts'
import { Endpoint } from '../network/endpoint.ts'
import type { LastProbe, TargetHealth } from './check.ts'
import { Check } from './check.ts'
import { ProbeGate } from './probe-gate.ts'

export interface CheckedTarget {
  /** Identity; says where the target lives, so that one that moves is another (`targetKey`). */
  readonly key: string
  readonly url: string
  readonly tls?: ServerTls
  readonly spec: HealthSpec
  /** What it is taken for until this check has found out more; needed where the target was not checked before. */
  readonly known?: TargetHealth
}

export interface HealthCheckerOptions {
  /** Milliseconds since the epoch; only for the times that are shown. */
  readonly now?: () => number
  /** From 0 to below 1. */
  readonly random?: () => number
  /** Called for every target whose health has changed, after that is in force. May call the checker. */
  readonly onChange: (key: string, health: 'up' | 'down', last: LastProbe) => void
  /** Called for every target after every probe, once what follows from it is in force. */
  readonly onProbe?: (key: string, last: LastProbe) => void
}

const UNCHECKED: TargetHealth = { health: 'unknown', probed: false, last: null }

/**
 * Finds out by probing which targets are up. What is found out belongs to an address and how it is checked: targets that
 * have both in common share one check. All checks run in parallel, each at its own pace.
 */
export class HealthChecker {
  readonly #options: Required<HealthCheckerOptions>
  readonly #gate = new ProbeGate()
  /** By address and spec. */
  readonly #checks = new Map<string, Check>()
  readonly #checkOf = new Map<string, Check>()
  readonly #unprobed = new Set<Check>()

  constructor(options: HealthCheckerOptions) {
    this.#options = { now: Date.now, random: Math.random, onProbe: () => undefined, ...options }
  }

  /**
   * Has these targets checked by their specs from now on, and `dropped` no more; the others are checked as before. A
   * target that comes to a check there is takes over what that knows. Otherwise a new check is begun at once, with what
   * was known of the target. A check without targets is forgotten, with any probe still under way.
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
      this.#unprobed.delete(check)
    }
  }

  /** What somebody else has found out about a target. Returns the targets about which that is news. */
  adopt(key: string, health: 'up' | 'down'): string[] {
    const check = this.#checkOf.get(key)
    if (check === undefined || check.known.health !== 'unknown') return []
    check.known = { ...check.known, health, probed: true }
    this.#unprobed.delete(check)
    return [...check.keys]
  }

  /** What is known of a target; `unknown` for one that is not checked. */
  get(key: string): TargetHealth {
    return this.#checkOf.get(key)?.known ?? UNCHECKED
  }

  /** What is known of an address by a spec, whichever target it belongs to; null = it is not checked so. */
  find(address: Address, spec: HealthSpec): TargetHealth | null {
    return this.#checks.get(idOf(address, spec))?.known ?? null
  }

  /** How many checks have not had a first result yet. */
  get unprobedCount(): number {
    return this.#unprobed.size
  }

  /** Targets whose checks have not had a first result yet, `max` of them at most. */
  unprobed(max: number): string[] {
    const keys: string[] = []
    for (const check of this.#unprobed)
      for (const key of check.keys) {
        if (keys.length === max) return keys
        keys.push(key)
      }
    return keys
  }

  /** Ends all checking, and keeps nothing the process would wait for. */
  stop(): void {
    this.change([], [...this.#checkOf.keys()])
  }

  #begin(id: string, target: CheckedTarget, before: Check | undefined): Check {
    const { now, random, onChange, onProbe } = this.#options
    const check = new Check({
      id,
      endpoint: new Endpoint(target.url, target.tls),
      spec: target.spec,
      gate: this.#gate,
      now,
      random,
      onResult: (last, changed) => {
        this.#unprobed.delete(check)
        // What is called may change who is checked.
        for (const key of [...check.keys]) {
          if (changed !== null) onChange(key, changed, last)
          onProbe(key, last)
        }
      },
    })
    if (before !== undefined) check.follow(before)
    else if (target.known !== undefined) check.known = target.known
    this.#checks.set(id, check)
    if (!check.known.probed) this.#unprobed.add(check)
    check.begin()
    return check
  }
}

type Address = Pick<CheckedTarget, 'url' | 'tls'>

/** The same for what is checked alike. */
function idOf({ url, tls }: Address, spec: HealthSpec): string {
  return `${url} ${tls === undefined ? '' : textOf(tls)} ${textOf(spec)}`
}

const texts = new WeakMap<object, string>()

/** The same for equal settings; those of one service are mostly one object. */
function textOf(settings: HealthSpec | ServerTls): string {
  let text = texts.get(settings)
  if (text === undefined) {
    text = JSON.stringify(Object.entries(settings).sort(([a], [b]) => (a < b ? -1 : 1)))
    texts.set(settings, text)
  }
  return text
}
