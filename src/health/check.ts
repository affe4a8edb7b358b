import type { HealthSpec } from '../model/spec.ts'
import type { Health } from '../model/state.ts'
import type { Endpoint } from '../net/endpoint.ts'
import { LongTimer } from '../time/long-timer.ts'
import { probe } from './probe.ts'
import type { ProbeGate } from './probe-gate.ts'
import type { ProbeResult } from './probe-result.ts'

/** The last probe of a server, as the API shows it. */
export interface LastProbe extends ProbeResult {
  /** When it ended, ISO 8601. */
  readonly at: string
}

export interface TargetHealth {
  /** `unknown` until `rise` passes or `fall` failures in a row. */
  readonly health: Extract<Health, 'unknown' | 'up' | 'down'>
  /** Whether a probe has ended, or the health was learned from a previous check or a proxy. */
  readonly probed: boolean
  readonly last: LastProbe | null
  /** When a probe found this health, ISO 8601; absent = none has, in this process. */
  readonly since?: string
}

export interface CheckOptions {
  readonly id: string
  /** Identity of its address, see `addressOf`. */
  readonly address: string
  readonly endpoint: Endpoint
  readonly spec: HealthSpec
  readonly gate: ProbeGate
  /** Milliseconds since the epoch; only for times shown to people. */
  readonly now: () => number
  /** Returns a number from 0 to below 1. */
  readonly random: () => number
  /** Called after every probe; `changed`: the new health, null = unchanged. */
  readonly onResult: (last: LastProbe, changed: 'up' | 'down' | null) => void
}

/** Probes one address by one spec, for all targets that share both. */
export class Check {
  readonly id: string
  readonly address: string
  readonly keys = new Set<string>()
  known: TargetHealth = { health: 'unknown', probed: false, last: null }
  readonly #options: CheckOptions
  /** Consecutive passes and failures. */
  #passes = 0
  #failures = 0
  /** Until the next probe; undefined = one is under way. */
  #timer: LongTimer | undefined
  /** Aborts the current probe when the check is stopped. */
  readonly #run = new AbortController()

  constructor(options: CheckOptions) {
    this.id = options.id
    this.address = options.address
    this.#options = options
  }

  /** Takes over the health and the counts of another check of this address. */
  follow(other: Check): void {
    this.known = other.known
    this.#passes = other.#passes
    this.#failures = other.#failures
  }

  /** Probes now instead of at the end of the interval; a probe under way continues. */
  hurry(): void {
    if (this.#timer !== undefined) this.#enter(false)
  }

  /** Probes now, then at the interval of its spec until `stop()`. */
  begin(): void {
    this.#enter(true)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#run.abort()
  }

  #enter(first: boolean): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#options.gate.enter(() => this.#probe(first))
  }

  async #probe(first: boolean): Promise<void> {
    const { endpoint, spec, now, random } = this.#options
    const { signal } = this.#run
    if (signal.aborted) return
    const result = await probe(endpoint, spec, signal)
    if (signal.aborted) return
    // The first delay spreads checks that began together over the interval; jitter keeps them from synchronizing later.
    const share = first ? random() : 0.9 + 0.2 * random()
    const delayMs = Math.max(0, spec.intervalMs * share - result.ms)
    this.#timer = new LongTimer(delayMs, () => this.#enter(false))
    this.#record({ at: new Date(now()).toISOString(), ...result })
  }

  #record(last: LastProbe): void {
    const { rise, fall } = this.#options.spec
    if (!last.isLocal) {
      this.#passes = last.ok ? this.#passes + 1 : 0
      this.#failures = last.ok ? 0 : this.#failures + 1
    }
    const decided = last.isLocal ? null : this.#passes >= rise ? 'up' : this.#failures >= fall ? 'down' : null
    const { health: before, since: sinceBefore } = this.known
    const changed = decided === before ? null : decided
    const since = changed === null ? sinceBefore : last.at
    this.known = { health: decided ?? before, probed: true, last, ...(since !== undefined && { since }) }
    this.#options.onResult(last, changed)
  }
}
