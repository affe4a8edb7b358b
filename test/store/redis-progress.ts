import { expect } from 'vitest'
import type { RedisStore } from '../../src/store/redis/redis-store.ts'
import type { KeptProgress, Sighting } from '../../src/store/register.ts'
import { StoreUnavailable } from '../../src/store/store.ts'

const NOTE = { leaving: true, why: 'left', by: null, reason: null }
const KEY = 'shop/blue/blue1'

/**
 * An instance that writes progress and reads that of the others, and holds everything it is told against the truth: each
 * standing of an instance is unlike its earlier ones, so that it tells since when it is known.
 */
export class Witness {
  readonly id: string
  readonly store: RedisStore
  /** Its standings so far, as JSON. */
  readonly standings: string[] = []
  /** Requests that it has cut and told others about, over all of its processes. */
  cutTold = 0
  isHere = true
  /** One process of it has been here all the time. */
  isSteady = true
  private boot = 1
  private sequence = 0
  private cut = 0
  private cutUntold = 0
  /** Number of standings that are certainly in the register. */
  private acknowledged = 0
  /** Of each other one, the newest standing that this one has learned of. */
  private readonly known = new Map<string, number>()
  private readonly others: ReadonlyMap<string, Witness>

  constructor(id: string, store: RedisStore, all: Map<string, Witness>) {
    this.id = id
    this.store = store
    this.others = all
    all.set(id, this)
    this.stand({ applied: 0 })
    store.register.onReport((other, _said, progress) => {
      if (progress !== undefined && progress !== null) this.learn(other, progress)
    })
  }

  /** Has another standing from now on. */
  stand(standing: { readonly applied: number | null; readonly only?: string }): void {
    this.standings.push(JSON.stringify(standing))
  }

  cutOne(): void {
    this.cut++
    this.cutUntold++
  }

  /** A new process of it takes over, which has nothing in force yet; the one before says nothing any more. */
  async restart(): Promise<void> {
    await this.reported()
    this.isSteady = false
    this.boot++
    this.sequence = 0
    this.cut = 0
    this.cutUntold = 0
    this.stand({ applied: null, only: `boot ${this.boot}` })
  }

  report(isTold: boolean): void {
    this.store.register.report(this.id, this.progress(), isTold)
  }

  /** Writes its record and reads those of the others; holds what it reads against the truth. Returns what it reads. */
  async beat(complete = false): Promise<readonly Sighting[]> {
    const count = this.standings.length
    const before = [...this.others.values()].map((other) => [other, other.acknowledged] as const)
    const record = { id: this.id, keepsProgress: true as const, boot: this.boot }
    const options = { mark: `${this.boot}`, progress: this.progress(), complete }
    let sightings: readonly Sighting[]
    try {
      sightings = await this.store.register.beat(this.id, record, options)
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error
      return []
    }
    this.acknowledged = Math.max(this.acknowledged, count)
    for (const { id, record: read, progress } of sightings) {
      if (id === this.id || read.leaving === true || progress === null || progress === undefined) continue
      this.learn(id, progress)
    }
    if (complete)
      for (const [other, acknowledged] of before) {
        const sighting = sightings.find(({ id }) => id === other.id)
        if (other === this || sighting?.progress == null) continue
        expect(this.known.get(other.id), `${this.id} of ${other.id}`).toBeGreaterThanOrEqual(acknowledged - 1)
      }
    return sightings
  }

  /** Resolves when Redis has all that it has reported. */
  async reported(): Promise<void> {
    await this.store.register.strike([], NOTE, 0).catch(() => undefined)
  }

  async leave(): Promise<void> {
    this.isHere = false
    this.isSteady = false
    await this.store.register.strike([this.id], NOTE, 0).catch(() => undefined)
  }

  /** Requests that it knows another one to have cut. */
  cutOf(id: string, sightings: readonly Sighting[]): number {
    return sightings.find((each) => each.id === id)?.progress?.cut[KEY] ?? 0
  }

  /** Whether it knows the present standing of every other one that is here. */
  isUpToDate(sightings: readonly Sighting[]): boolean {
    return [...this.others.values()].every((other) => {
      if (other === this || !other.isHere) return true
      const standing = sightings.find(({ id }) => id === other.id)?.progress?.standing
      return JSON.stringify(standing) === other.standings.at(-1)
    })
  }

  private progress(): KeptProgress {
    this.cutTold += this.cutUntold
    this.cutUntold = 0
    const cut: Record<string, number> = this.cut === 0 ? {} : { [KEY]: this.cut }
    return { boot: `${this.id}.${this.boot}`, sequence: ++this.sequence, cut, standing: this.standing() }
  }

  private standing(): KeptProgress['standing'] {
    return JSON.parse(this.standings.at(-1) ?? '{}')
  }

  /** What is known of another one was once so, and is never older than what was known before. */
  private learn(id: string, { standing, cut }: KeptProgress): void {
    const other = this.others.get(id)
    if (other === undefined) throw new Error(`${id} does not exist`)
    const index = other.standings.indexOf(JSON.stringify(standing))
    const about = `${this.id} of ${id}: ${JSON.stringify(standing)} after ${other.standings[this.known.get(id) ?? 0]}`
    expect(index, about).toBeGreaterThanOrEqual(this.known.get(id) ?? 0)
    this.known.set(id, index)
    expect(cut[KEY] ?? 0, `${this.id} of ${id}: requests cut`).toBeLessThanOrEqual(other.cutTold)
  }
}
