import { isDeepStrictEqual } from 'node:util'
import type { HealthSpec, ServerTls } from '../model/spec.ts'
import type { Health } from '../model/state.ts'
import { Endpoint } from '../network/endpoint.ts'
import { type ProbeResult, probe } from './probe.ts'

/** The last probe of a server, as the API shows it. */
export interface LastProbe extends ProbeResult {
  /** When it ended, ISO 8601. */
  readonly at: string
}

export interface CheckedTarget {
  /** Identity; says where the target lives, so that one that moves is another (`targetKey`). */
  readonly key: string
  readonly url: string
  readonly tls?: ServerTls
  readonly spec: HealthSpec
}

export interface TargetHealth {
  /** `unknown` until `rise` passes or `fall` failures in a row. */
  readonly health: Extract<Health, 'unknown' | 'up' | 'down'>
  /** Whether any probe has ended yet. */
  readonly probed: boolean
  readonly last: LastProbe | null
}

export interface HealthCheckerOptions {
  /** Milliseconds since the epoch; only for the times that are shown. */
  readonly now?: () => number
  /** From 0 to below 1. */
  readonly random?: () => number
  /** Called on every change of health, after it is in force. May call the checker. */
  readonly onChange: (key: string, health: 'up' | 'down', last: LastProbe) => void
  /** Called after every probe, once what follows from it is in force. */
  readonly onProbe?: (key: string, last: LastProbe) => void
}

type Settings = Required<HealthCheckerOptions>

const UNCHECKED: TargetHealth = { health: 'unknown', probed: false, last: null }

/** Finds out by probing which targets are up. All targets are probed in parallel, each at its own pace. */
export class HealthChecker {
  readonly #settings: Settings
  #checks: ReadonlyMap<string, Check> = new Map()

  constructor(options: HealthCheckerOptions) {
    this.#settings = { now: Date.now, random: Math.random, onProbe: () => undefined, ...options }
  }

  /**
   * Sets all that is to be checked. A new target is probed at once. One that stays keeps its health; if its spec has
   * changed, it is probed by the new one at once. One that is left out is forgotten, with any probe still under way.
   */
  watch(targets: Iterable<CheckedTarget>): void {
    const before = this.#checks
    const checks = new Map<string, Check>()
    for (const target of targets) {
      const { key } = target
      const check = checks.get(key) ?? before.get(key) ?? new Check(key, this.#settings)
      checks.set(key, check)
      check.follow(target)
    }
    this.#checks = checks
    for (const [key, check] of before) if (!checks.has(key)) check.stop()
  }

  /** What somebody else has found out about a target, where nothing has been found out here yet. */
  adopt(key: string, health: 'up' | 'down'): void {
    this.#checks.get(key)?.adopt(health)
  }

  /** What is known of a target; `unknown` for one that is not checked. */
  get(key: string): TargetHealth {
    return this.#checks.get(key)?.known ?? UNCHECKED
  }

  /** Ends all checking, and keeps nothing the process would wait for. */
  stop(): void {
    this.watch([])
  }
}

/** The checking of one target. */
class Check {
  known = UNCHECKED
  readonly #key: string
  readonly #settings: Settings
  #target: CheckedTarget | null = null
  /** Held between probes, so that its name is kept up to date. */
  #endpoint: Endpoint | null = null
  #passes = 0
  #failures = 0
  #timer: NodeJS.Timeout | undefined
  /** Aborted when the probe under way has become nobody's business. */
  #run = new AbortController()

  constructor(key: string, settings: Settings) {
    this.#key = key
    this.#settings = settings
  }

  /** Checks by this spec from now on; one equal to the last is no news. */
  follow(target: CheckedTarget): void {
    const before = this.#target
    const samePlace = target.url === before?.url && isDeepStrictEqual(target.tls, before.tls)
    if (samePlace && isDeepStrictEqual(target.spec, before.spec)) return
    if (!samePlace || this.#endpoint === null) this.#endpoint = new Endpoint(target.url, target.tls)
    this.#target = target
    this.stop()
    this.#run = new AbortController()
    void this.#probe(this.#endpoint, target.spec, this.#run.signal, true)
  }

  adopt(health: 'up' | 'down'): void {
    if (this.known.health === 'unknown') this.known = { ...this.known, health, probed: true }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#run.abort()
  }

  async #probe(endpoint: Endpoint, spec: HealthSpec, signal: AbortSignal, first: boolean): Promise<void> {
    const result = await probe(endpoint, spec, signal)
    if (signal.aborted) return
    // Targets that begin together, as after a start, are spread over the interval; later on they must not fall into step.
    const share = first ? this.#settings.random() : 0.9 + 0.2 * this.#settings.random()
    const delayMs = Math.max(0, spec.intervalMs * share - result.ms)
    this.#timer = setTimeout(() => void this.#probe(endpoint, spec, signal, false), delayMs)
    this.#record({ at: new Date(this.#settings.now()).toISOString(), ...result }, spec)
  }

  #record(last: LastProbe, { rise, fall }: HealthSpec): void {
    if (!last.isLocal) {
      this.#passes = last.ok ? this.#passes + 1 : 0
      this.#failures = last.ok ? 0 : this.#failures + 1
    }
    const decided = last.isLocal ? null : this.#passes >= rise ? 'up' : this.#failures >= fall ? 'down' : null
    const before = this.known.health
    this.known = { health: decided ?? before, probed: true, last }
    if (decided !== null && decided !== before) this.#settings.onChange(this.#key, decided, last)
    this.#settings.onProbe(this.#key, last)
  }
}
