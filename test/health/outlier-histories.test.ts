import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EjectionState, Outliers, type WatchedPool } from '../../src/health/outlier.ts'
import type { PassiveSpec } from '../../src/model/spec.ts'

const KEYS = ['blue/1', 'blue/2', 'blue/3', 'blue/4', 'blue/5', 'green/1', 'green/2'] as const
const LONGEST_MS = 20
const PROXIES = ['w1', 'w2', 'w3'] as const

const keys = fc.constantFrom(...KEYS)
const proxies = fc.constantFrom(...PROXIES)
const specs: fc.Arbitrary<PassiveSpec> = fc.record({
  maxFails: fc.constantFrom(0, 1, 2, 3),
  failTimeoutMs: fc.constantFrom(1, 5, 10, LONGEST_MS),
  maxEjected: fc.constantFrom(0, 10, 33.34, 50, 80, 100),
})
interface Table {
  readonly open: readonly string[]
  readonly blue: PassiveSpec
  readonly green: PassiveSpec
}
const tables: fc.Arbitrary<Table> = fc.record({ open: fc.subarray([...KEYS]), blue: specs, green: specs })

const events = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('failed'),
      proxy: proxies,
      counts: fc.uniqueArray(fc.tuple(keys, fc.integer({ min: 1, max: 4 }), fc.boolean()), {
        selector: ([key]) => key,
        minLength: 1,
      }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('recovered'), keys: fc.subarray([...KEYS]) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('tried'),
      key: keys,
      outcome: fc.constantFrom('ok', 'failed', 'unreachable'),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('advance') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('watch'), table: tables }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('attach', 'detach'), proxy: proxies }) },
)
type Event = typeof events extends fc.Arbitrary<infer E> ? E : never
type History = readonly (readonly [ms: number, event: Event])[]
const histories: fc.Arbitrary<History> = fc.array(fc.tuple(fc.integer({ min: 0, max: 12 }), events), { maxLength: 60 })

/** Replays a history as control does, and keeps the state that a proxy has from the changes it was told. */
class Life {
  readonly outliers = new Outliers()
  readonly attached = new Set<string>()
  readonly told = new Map<string, EjectionState>()
  pools: readonly WatchedPool[] = []
  nowMs = 0
  /** Times of failures that may still count: those since the server was last ejected, forgotten or successful. */
  readonly failures = new Map<string, number[]>()

  constructor(blue: PassiveSpec, green: PassiveSpec) {
    this.attach('w1')
    this.attach('w2')
    this.watch({ open: [...KEYS], blue, green })
  }

  after(ms: number, event: Event): void {
    this.nowMs += ms
    if (event.kind === 'failed') this.failed(event)
    else if (event.kind === 'recovered') this.recovered(event.keys)
    else if (event.kind === 'tried') this.tell(this.outliers.tried(event.key, event.outcome, this.nowMs))
    else if (event.kind === 'watch') this.watch(event.table)
    else if (event.kind === 'attach') this.attach(event.proxy)
    else if (event.kind === 'detach') this.detach(event.proxy)
    // The timer may be late, but it fires.
    this.tell(this.outliers.advance(this.nowMs))
    for (const key of KEYS) if (this.outliers.isEjected(key)) this.failures.delete(key)
  }

  counting(key: string, { failTimeoutMs }: PassiveSpec): number {
    return (this.failures.get(key) ?? []).filter((at) => this.nowMs - at < failTimeoutMs).length
  }

  ejected(pool: WatchedPool): readonly string[] {
    return pool.keys.filter((key) => this.outliers.isEjected(key))
  }

  private watch({ open, blue, green }: Table): void {
    const inPool = (pool: string): string[] => open.filter((key) => key.startsWith(pool))
    this.pools = [
      { name: 'blue', spec: blue, keys: inPool('blue') },
      { name: 'green', spec: green, keys: inPool('green') },
    ]
    for (const key of KEYS) if (!open.includes(key)) this.failures.delete(key)
    this.tell(this.outliers.watch(this.pools, this.nowMs))
  }

  private failed({ proxy, counts }: Extract<Event, { counts: unknown }>): void {
    for (const [key, count] of counts) {
      const pool = this.pools.find((each) => each.keys.includes(key))
      if (pool === undefined || pool.spec.maxFails === 0 || this.outliers.isEjected(key)) continue
      const times = [...(this.failures.get(key) ?? []), ...Array<number>(count).fill(this.nowMs)]
      // At most maxFails failures are kept, even if maxFails is raised afterwards.
      this.failures.set(key, times.slice(-pool.spec.maxFails))
    }
    this.tell(this.outliers.failed(proxy, counts, this.nowMs))
  }

  private recovered(keys: readonly string[]): void {
    for (const key of keys) this.failures.delete(key)
    this.outliers.recovered(keys)
  }

  private attach(proxy: string): void {
    this.attached.add(proxy)
    this.outliers.attach(proxy)
    for (const key of KEYS) this.told.set(`${proxy} ${key}`, this.outliers.ejectionState(key, proxy))
  }

  private detach(proxy: string): void {
    this.attached.delete(proxy)
    this.tell(this.outliers.detach(proxy))
  }

  private tell(changed: readonly string[]): void {
    for (const proxy of this.attached) {
      for (const key of changed) this.told.set(`${proxy} ${key}`, this.outliers.ejectionState(key, proxy))
    }
  }
}

/** Asserts `check` after every event of every history. */
function always(check: (life: Life) => void): void {
  fc.assert(
    fc.property(specs, specs, histories, (blue, green, history) => {
      lived(blue, green, history, check)
    }),
    { numRuns: 500 },
  )
}

function lived(blue: PassiveSpec, green: PassiveSpec, history: History, check?: (life: Life) => void): Life {
  const life = new Life(blue, green)
  for (const [ms, event] of history) {
    life.after(ms, event)
    check?.(life)
  }
  return life
}

test('at most maxEjected percent of a pool are ejected, never all, and none if ejection is off', () => {
  always((life) => {
    for (const pool of life.pools) {
      const { length } = life.ejected(pool)
      expect(length).toBeLessThanOrEqual((pool.keys.length * pool.spec.maxEjected) / 100)
      expect(length).toBeLessThanOrEqual(Math.max(0, pool.keys.length - 1))
      if (pool.spec.maxFails === 0) expect(length).toBe(0)
    }
  })
})

test('a server is ejected only after maxFails consecutive failures within failTimeout', () => {
  fc.assert(
    fc.property(specs, histories, (spec, history) => {
      const life = new Life(spec, spec)
      const reported = new Map<string, number[]>()
      for (const [ms, event] of history) {
        if (event.kind === 'watch') continue
        const before = KEYS.filter((key) => life.outliers.isEjected(key))
        if (event.kind === 'recovered') for (const key of event.keys) reported.delete(key)
        if (event.kind === 'failed') {
          for (const [key, count] of event.counts) {
            const times = Array<number>(count).fill(life.nowMs + ms)
            reported.set(key, [...(reported.get(key) ?? []), ...times])
          }
        }
        life.after(ms, event)
        for (const key of KEYS) {
          if (!life.outliers.isEjected(key) || before.includes(key)) continue
          const counting = reported.get(key)?.filter((at) => life.nowMs - at < spec.failTimeoutMs) ?? []
          expect(counting.length).toBeGreaterThanOrEqual(spec.maxFails)
        }
      }
    }),
    { numRuns: 500 },
  )
})

test('a server that has failed often enough is ejected, unless maxEjected is reached', () => {
  always((life) => {
    for (const pool of life.pools) {
      const room = Math.min(Math.floor((pool.keys.length * pool.spec.maxEjected) / 100), pool.keys.length - 1)
      if (pool.spec.maxFails === 0 || life.ejected(pool).length >= room) continue
      for (const key of pool.keys) expect(life.counting(key, pool.spec)).toBeLessThan(pool.spec.maxFails)
    }
  })
})

test('at most one proxy has the trial of a server', () => {
  always(({ outliers, attached }) => {
    for (const key of KEYS) {
      expect(holders(outliers, attached, key).length).toBeLessThanOrEqual(outliers.isEjected(key) ? 1 : 0)
    }
  })
})

test('every ejected server gets a trial after a time', () => {
  always(({ outliers, pools, nowMs }) => {
    const waiting = pools.flatMap(({ keys, spec }) => keys.filter((key) => outliers.isEjected(key)).map(() => spec))
    const nextAt = outliers.nextAt()
    expect(nextAt === null).toBe(waiting.length === 0)
    if (nextAt === null) return
    expect(nextAt).toBeGreaterThan(nowMs)
    expect(nextAt - nowMs).toBeLessThanOrEqual(Math.min(...waiting.map(({ failTimeoutMs }) => failTimeoutMs)))
  })
  fc.assert(
    fc.property(specs, specs, histories, (blue, green, history) => {
      const { outliers, attached, nowMs } = lived(blue, green, history)
      if (attached.size === 0) return
      outliers.advance(nowMs + LONGEST_MS)
      for (const key of KEYS) {
        expect(holders(outliers, attached, key)).toHaveLength(outliers.isEjected(key) ? 1 : 0)
      }
    }),
  )
})

test('the changes alone give a proxy the complete state', () => {
  always(({ outliers, attached, told }) => {
    for (const proxy of attached) {
      for (const key of KEYS) expect(told.get(`${proxy} ${key}`)).toBe(outliers.ejectionState(key, proxy))
    }
  })
})

function holders(outliers: Outliers, attached: ReadonlySet<string>, key: string): string[] {
  return [...attached].filter((proxy) => outliers.ejectionState(key, proxy) === 'trial')
}
