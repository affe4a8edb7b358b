import type { Service, StateName } from '../model/state.ts'

interface Generation {
  readonly state: StateName
  /** The last state that is in force with all its definitions; null = none. */
  readonly whole: StateName | null
  /** Services whose definitions in the state are not in force in this table. */
  readonly handingOver: ReadonlySet<string>
  /** The table is that of the state with local overrides. */
  readonly isOverridden: boolean
  /** When the table was made, monotonic ms. */
  readonly since: number
}

const NONE: ReadonlySet<string> = new Set()

/** The states from which the tables sent to the proxies were made, by generation, and the time each one was sent. */
export class Generations {
  /** The generation of the last table. */
  current = 0
  /** Generations that are in force in some proxy, or will be. */
  private readonly known = new Map<number, Generation>()
  private readonly firstOf = new WeakMap<Service, number>()
  private inForce = -1
  private lastLagMs = 0

  /**
   * Begins the next generation, made from a state; `changed`: the services that differ from the previous table;
   * `isOverridden`: the table has local overrides; `handingOver`: services that are not as in the state yet.
   */
  begin(
    { revision, head }: StateName,
    changed: readonly Service[],
    isOverridden = false,
    handingOver: readonly string[] = [],
  ): number {
    const state = { revision, head }
    const whole = handingOver.length === 0 ? state : (this.known.get(this.current)?.whole ?? null)
    const generation = ++this.current
    const since = performance.now()
    this.known.set(generation, { state, whole, handingOver: new Set(handingOver), isOverridden, since })
    for (const service of changed) if (!this.firstOf.has(service)) this.firstOf.set(service, generation)
    return generation
  }

  /** Returns the first generation that contains a service as it is now. */
  of(service: Service): number {
    return this.firstOf.get(service) ?? this.current
  }

  /** Returns the state of a generation; null = unknown. */
  stateOf(generation: number): StateName | null {
    return this.known.get(generation)?.state ?? null
  }

  /** Returns the state that a generation has in force with all its definitions; null = unknown, or none yet. */
  wholeStateOf(generation: number): StateName | null {
    return this.known.get(generation)?.whole ?? null
  }

  /** Returns the services whose definitions in the state of a generation are not in force in it. */
  handingOverIn(generation: number): ReadonlySet<string> {
    return this.known.get(generation)?.handingOver ?? NONE
  }

  /** Whether a table with local overrides is, or may be, in force in some proxy. */
  get areOverridden(): boolean {
    return [...this.known.values()].some(({ isOverridden }) => isOverridden)
  }

  /** Records that `generation` is in force in all proxies, and forgets earlier ones. */
  applied(generation: number): void {
    if (generation <= this.inForce) return
    this.inForce = generation
    this.lastLagMs = performance.now() - (this.known.get(generation)?.since ?? performance.now())
    for (const older of this.known.keys()) {
      if (older >= generation) break
      this.known.delete(older)
    }
  }

  /** Time that the last table took to be in force, ms; while it is not, its age. */
  get lagMs(): number {
    const due = this.known.get(this.inForce + 1)
    return due === undefined ? this.lastLagMs : performance.now() - due.since
  }
}
