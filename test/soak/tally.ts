import { Latencies } from '../support/latencies.ts'
import type { Counts, CountsByKind, Failure, Kind, Service } from './figures.ts'
import { KINDS } from './figures.ts'

/** A service of which none may fail does not need more than this to be known as broken. */
const MOST_STEADY_FAILURES = 1_000

/** Counts what becomes of requests. */
export class Tally {
  readonly counts: Readonly<Record<Service, CountsByKind>> = bothServices(countsByKind)
  /** Of the small GETs. */
  readonly latencies: Readonly<Record<Service, Latencies>> = bothServices(() => new Latencies())
  /** In the order they ended. */
  readonly failures: Failure[] = []
  private kept = 0
  private steadyCount = 0
  private waiting: { readonly at: number; readonly resolve: () => void }[] = []

  ok(service: Service, kind: Kind, ms: number): void {
    this.ended(service)
    this.counts[service][kind].ok++
    if (kind === 'get') this.latencies[service].add(ms)
  }

  fail(failure: Failure): void {
    const { service, kind, cause } = failure
    this.ended(service)
    const { failed } = this.counts[service][kind]
    failed[cause] = (failed[cause] ?? 0) + 1
    if (service === 'rough' || ++this.kept <= MOST_STEADY_FAILURES) this.failures.push(failure)
  }

  /** Resolves when so many more requests to `steady` have ended, well or badly. */
  more(count: number): Promise<void> {
    return new Promise((resolve) => this.waiting.push({ at: this.steadyCount + count, resolve }))
  }

  okOf(service: Service): number {
    return KINDS.reduce((sum, kind) => sum + this.counts[service][kind].ok, 0)
  }

  failedOf(service: Service): number {
    return KINDS.reduce((sum, kind) => sum + failedIn(this.counts[service][kind]), 0)
  }

  private ended(service: Service): void {
    if (service !== 'steady') return
    this.steadyCount++
    const due = this.waiting.filter(({ at }) => at <= this.steadyCount)
    if (due.length === 0) return
    this.waiting = this.waiting.filter((each) => !due.includes(each))
    for (const { resolve } of due) resolve()
  }
}

/** How many have failed, whatever the cause. */
export function failedIn({ failed }: Counts): number {
  return Object.values(failed).reduce((sum, count) => sum + count, 0)
}

function countsByKind(): CountsByKind {
  return Object.fromEntries(KINDS.map((kind) => [kind, { ok: 0, failed: {} }])) as unknown as CountsByKind
}

function bothServices<T>(make: () => T): Readonly<Record<Service, T>> {
  return { steady: make(), rough: make() }
}
