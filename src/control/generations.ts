import type { Service, StateName } from '../model/state.ts'

interface Generation {
  readonly state: StateName
  /** Monotonic ms. */
  readonly since: number
}

/** Which state each table was made of that this control half has handed out, and since when it is in force. */
export class Generations {
  /** The last one. */
  current = 0
  /** Those that are in force somewhere, or about to be. */
  private readonly known = new Map<number, Generation>()
  private readonly firstOf = new WeakMap<Service, number>()
  private inForce = -1
  private lastLagMs = 0

  /** Counts the next table, made of a state; `changed`: the services that are not as in the table before. */
  begin({ revision, head }: StateName, changed: readonly Service[]): number {
    const generation = ++this.current
    this.known.set(generation, { state: { revision, head }, since: performance.now() })
    for (const service of changed) if (!this.firstOf.has(service)) this.firstOf.set(service, generation)
    return generation
  }

  /** The first table that has a service as it is. */
  of(service: Service): number {
    return this.firstOf.get(service) ?? this.current
  }

  stateOf(generation: number): StateName | null {
    return this.known.get(generation)?.state ?? null
  }

  /** `generation` is in force in all proxy halves: those before it are not asked for any more. */
  applied(generation: number): void {
    if (generation <= this.inForce) return
    this.inForce = generation
    this.lastLagMs = performance.now() - (this.known.get(generation)?.since ?? performance.now())
    for (const older of this.known.keys()) {
      if (older >= generation) break
      this.known.delete(older)
    }
  }

  /** How long it took until the last table was in force, ms; while it is not, for how long it is due. */
  get lagMs(): number {
    const due = this.known.get(this.inForce + 1)
    return due === undefined ? this.lastLagMs : performance.now() - due.since
  }
}
