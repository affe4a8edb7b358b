import type { InstanceProgress, InstanceRecord } from '../../model/fleet.ts'
import { isProgress, isRecord } from '../../model/fleet-shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { Register, Sighting } from '../../store/register.ts'
import { StoreUnavailable } from '../../store/store.ts'

export const BEAT_MS = 1_000
/** Without a beat for so long, an instance is gone. Source: SPEC §6. */
const GONE_MS = 3 * BEAT_MS
/** Who starts cannot know whether the others were silent because the store was away: for so long it may have been. */
const OUTAGE_MS = 3_600_000
/** One that is gone is shown for so long. */
const FORGOTTEN_MS = 24 * 3_600_000

const LEAVING: JsonObject = { leaving: true }

/** Another instance of the fleet. */
export interface Member {
  readonly record: InstanceRecord
  /** The sequence of the last time that it said all of itself. */
  readonly saidAll: number
  readonly live: boolean
  readonly lastSeen: Date
}

export interface FleetOptions {
  /** null = there is no fleet: the store is this instance's own. */
  readonly register: Register | null
  readonly id: string
  readonly record: () => InstanceRecord
  readonly progress: () => InstanceProgress
  /** Somebody has come, gone, or come further. */
  readonly onChange: () => void
}

/**
 * Who shares the store: every instance says each second how it is, and at once when it has come further. Who has not been
 * heard of for three seconds is gone. While the store is away nobody can be heard, and nobody is judged.
 */
export class Fleet {
  private readonly options: FleetOptions
  private readonly members = new Map<string, Member>()
  /** Who has taken leave; as many as there were. */
  private readonly left = new Set<string>()
  /** Who lives, and says what this version does not understand. */
  private unreadable: readonly string[] = []
  private timer: NodeJS.Timeout | undefined
  private hasJoined = false
  private hasLeft = false
  /** Monotonic ms; nobody who was there is gone before. */
  private graceUntil = 0
  /** Monotonic ms; null = there was none. */
  private lastBeatAt: number | null = null
  private isReporting = false
  private sent = ''

  constructor(options: FleetOptions) {
    this.options = options
    options.register?.onReport((id, progress) => this.heard(id, progress))
  }

  /** Makes this instance known, now, and keeps it so. Resolves when the others know of it, or the store is away. */
  async join(): Promise<void> {
    if (this.options.register === null || this.hasLeft) return
    if (this.hasJoined) await this.beat()
    else {
      this.hasJoined = true
      await this.beatOn()
    }
  }

  private async beatOn(): Promise<void> {
    try {
      await this.beat()
    } finally {
      // Some jitter: a fleet that was started at once shall not ask the store at once for ever.
      if (!this.hasLeft) {
        this.timer = setTimeout(() => void this.beatOn(), BEAT_MS * (0.9 + Math.random() * 0.1)).unref()
      }
    }
  }

  /** Tells the others at once all there is to say, instead of with the next beat. */
  announce(): void {
    const { register, id, record } = this.options
    if (this.hasJoined) register?.report(id, record() as unknown as JsonObject)
  }

  /** Takes leave: nobody shall wait for this instance. */
  async leave(): Promise<void> {
    const { register, id } = this.options
    if (this.hasLeft) return
    this.stop()
    if (!this.hasJoined) return
    register?.report(id, LEAVING)
    await register?.strike([id]).catch(ifUnavailable)
  }

  /** Says no more. */
  stop(): void {
    this.hasLeft = true
    clearTimeout(this.timer)
  }

  /** There is nobody else, and never will be. */
  get isAlone(): boolean {
    return this.options.register === null
  }

  /** The others: those that live, and those that are gone since not too long ago. */
  others(): readonly Member[] {
    return [...this.members.values()]
  }

  /** Whether an instance has taken leave, instead of dying. */
  hasTakenLeave(id: string): boolean {
    return this.left.has(id)
  }

  /** Ids of instances that live, and that nothing is known of: of a newer version, say. */
  unknown(): readonly string[] {
    return this.unreadable
  }

  live(): readonly Member[] {
    return this.others().filter(({ live }) => live)
  }

  /** Tells the others at once how far this instance has come. */
  report(): void {
    const { register, id, progress } = this.options
    if (register === null || this.isReporting || this.hasLeft) return
    this.isReporting = true
    // What several workers say in one turn of the event loop is told once.
    setImmediate(() => {
      this.isReporting = false
      const { sequence, ...rest } = progress()
      const said = JSON.stringify(rest)
      if (said === this.sent) return
      this.sent = said
      register.report(id, { sequence, ...rest } as unknown as JsonObject)
    })
  }

  private async beat(): Promise<void> {
    const { register, id, record, onChange } = this.options
    if (register === null) return
    try {
      const sightings = await register.beat(id, record() as unknown as JsonObject)
      if (this.hasLeft) return
      const now = performance.now()
      // After a silence of ours nothing follows from that of the others: the store may have been away for all.
      if (this.lastBeatAt === null || now - this.lastBeatAt > 2 * BEAT_MS) this.graceUntil = now + GONE_MS
      this.lastBeatAt = now
      this.see(sightings.filter((sighting) => sighting.id !== id))
      onChange()
      await this.tidy(sightings)
    } catch (error) {
      ifUnavailable(error)
    }
  }

  private see(sightings: readonly Sighting[]): void {
    const seen = new Set(sightings.map(({ id }) => id))
    for (const id of this.members.keys()) if (!seen.has(id)) this.members.delete(id)
    this.unreadable = sightings.filter(({ record, ageMs }) => ageMs <= GONE_MS && !isRecord(record)).map(({ id }) => id)
    for (const sighting of sightings) this.take(sighting)
  }

  private take({ id, record, ageMs }: Sighting): void {
    if (!isRecord(record)) return
    const known = this.members.get(id)
    const maybeAway = known === undefined ? ageMs < OUTAGE_MS : known.live
    const inGrace = maybeAway && performance.now() < this.graceUntil
    const live = ageMs <= GONE_MS || inGrace
    const lastSeen = new Date(Date.now() - ageMs)
    const same = known?.record.boot === record.boot ? known : null
    if (same !== null && same.saidAll >= record.sequence) {
      // What it has said in between is newer than what it beats.
      this.members.set(id, { ...same, live, lastSeen })
      return
    }
    const newest = same !== null && same.record.sequence > record.sequence ? progressOf(same.record) : {}
    this.members.set(id, { record: { ...record, ...newest }, saidAll: record.sequence, live, lastSeen })
  }

  /** Somebody says something between two beats: how far it has come, all of itself, or that it leaves. */
  private heard(id: string, progress: JsonObject): void {
    if (id === this.options.id) return
    if (progress.leaving === true) {
      this.left.add(id)
      if (this.members.delete(id)) this.options.onChange()
      return
    }
    if (isRecord(progress)) {
      this.take({ id, record: progress, ageMs: 0 })
      this.options.onChange()
      return
    }
    const member = this.members.get(id)
    if (member === undefined || !isProgress(progress) || progress.boot !== member.record.boot) return
    if (progress.sequence <= member.record.sequence) return
    this.members.set(id, { ...member, record: { ...member.record, ...progressOf(progress) } })
    this.options.onChange()
  }

  /** Strikes off who is gone for long, and who has come back as another. */
  private async tidy(sightings: readonly Sighting[]): Promise<void> {
    const places = new Set([this.options.record(), ...this.live().map(({ record }) => record)].flatMap(placeOf))
    const gone = sightings.filter(({ id, ageMs }) => {
      const member = this.members.get(id)
      if (id === this.options.id || member?.live === true) return false
      return ageMs > FORGOTTEN_MS || (member !== undefined && placeOf(member.record).some((place) => places.has(place)))
    })
    if (gone.length > 0) await this.options.register?.strike(gone.map(({ id }) => id))
  }
}

/** Where an instance is, for nobody else can be there: the address of its admin API, on its machine. */
function placeOf({ host, address }: InstanceRecord): string[] {
  return address === '' ? [] : [`${host} ${address}`]
}

function progressOf({ boot, sequence, applied, busy, cut }: InstanceProgress): InstanceProgress {
  return { boot, sequence, applied, busy, cut }
}

function ifUnavailable(error: unknown): void {
  // The store says so itself, once.
  if (!(error instanceof StoreUnavailable)) throw error
}
