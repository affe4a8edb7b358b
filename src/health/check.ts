import type { HealthSpec } from '../model/spec.ts'
import type { Health } from '../model/state.ts'
import type { Endpoint } from '../network/endpoint.ts'
import { LongTimer } from '../time/long-timer.ts'
import type { ProbeResult } from './probe.ts'
import { probe } from './probe.ts'
import type { ProbeGate } from './probe-gate.ts'

/** The last probe of a server, as the API shows it. */
export interface LastProbe extends ProbeResult {
  /** When it ended, ISO 8601. */
  readonly at: string
}

export interface TargetHealth {
  /** `unknown` until `rise` passes or `fall` failures in a row. */
  readonly health: Extract<Health, 'unknown' | 'up' | 'down'>
  /** Whether any probe has ended yet, or it is known from elsewhere. */
  readonly probed: boolean
  readonly last: LastProbe | null
}

export interface CheckOptions {
  readonly id: string
  readonly endpoint: Endpoint
  readonly spec: HealthSpec
  readonly gate: ProbeGate
  /** Milliseconds since the epoch; only for the times that are shown. */
  readonly now: () => number
  /** From 0 to below 1. */
  readonly random: () => number
  /** Called after every probe; `changed`: the health that is new by it, or null. */
  readonly onResult: (last: LastProbe, changed: 'up' | 'down' | null) => void
}

/** The checking of one address by one spec, for all targets that have both in common. */
export class Check {
  readonly id: string
  readonly keys = new Set<string>()
  known: TargetHealth = { health: 'unknown', probed: false, last: null }
  readonly #options: CheckOptions
  /** In a row. */
  #passes = 0
  #failures = 0
  #timer: LongTimer | undefined
  /** Aborted when the probe under way has become nobody's business. */
  readonly #run = new AbortController()

  constructor(options: CheckOptions) {
    this.id = options.id
    this.#options = options
  }

  /** Goes on from what another check knows of the server. */
  follow(other: Check): void {
    this.known = other.known
    this.#passes = other.#passes
    this.#failures = other.#failures
  }

  /** Probes now, and then at the interval of its spec until it is stopped. */
  begin(): void {
    this.#enter(true)
  }

  stop(): void {
    this.#timer?.cancel()
    this.#run.abort()
  }

  #enter(first: boolean): void {
    this.#options.gate.enter(() => this.#probe(first))
  }

  async #probe(first: boolean): Promise<void> {
    const { endpoint, spec, now, random } = this.#options
    const { signal } = this.#run
    if (signal.aborted) return
    const result = await probe(endpoint, spec, signal)
    if (signal.aborted) return
    // Checks that begin together, as after a start, are spread over the interval; later on they must not fall into step.
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
    const before = this.known.health
    this.known = { health: decided ?? before, probed: true, last }
    this.#options.onResult(last, decided === before ? null : decided)
  }
}
