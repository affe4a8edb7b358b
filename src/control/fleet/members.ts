import type { Departure, InstanceProgress, InstanceRecord } from '../../model/fleet.ts'
import { isDeparture, isProgress, isRecord } from '../../model/fleet-shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { Sighting } from '../../store/register.ts'

/** Without a beat for so long, an instance is gone. Source: SPEC §6. */
export const GONE_MS = 3_000
/** An instance that starts cannot know whether the others were silent because the store was away: for so long it may have been. */
const OUTAGE_MS = 3_600_000

/** Another instance of the fleet. */
export interface Member {
  readonly record: InstanceRecord
  /** The sequence of the last time that it said all of itself. */
  readonly saidAll: number
  /** It has been heard of lately. Otherwise it is gone, and what it has in force is not known. */
  readonly live: boolean
  /** When it was last heard of, on our monotonic clock, ms. */
  readonly seenAt: number
}

/** Another instance whose record this version cannot read. */
export interface Unreadable {
  readonly id: string
  readonly live: boolean
}

export interface MembersOptions {
  /** Of this instance. */
  readonly id: string
  /** Monotonic, ms. */
  readonly now: () => number
  /** An instance that was known has departed. `name`: its id where no name is known. */
  readonly onDeparture: (name: string, departure: Departure) => void
}

/**
 * What is known of the other instances: those that live, and those that have gone without taking leave. One that has gone
 * stays here, whatever becomes of the register, until it is back, or the register says that it has departed.
 */
export class Members {
  private readonly options: MembersOptions
  private readonly byId = new Map<string, Member>()
  private unread: readonly Unreadable[] = []
  /** Those that the register has lost, by id. */
  private readonly absent = new Set<string>()
  /** Monotonic ms; no instance that was live counts as gone before. */
  graceUntil = 0

  constructor(options: MembersOptions) {
    this.options = options
  }

  all(): readonly Member[] {
    return [...this.byId.values()]
  }

  unreadable(): readonly Unreadable[] {
    return this.unread
  }

  /**
   * Instances that the register has lost, to be put back there: it was emptied, say. Also those that live, for they may be out
   * of touch by now, and then an instance that starts would never hear of them.
   */
  lost(): readonly Sighting[] {
    const now = this.options.now()
    return this.all()
      .filter(({ record }) => this.absent.has(record.id))
      .map(({ record, seenAt }) => ({
        id: record.id,
        record: record as unknown as JsonObject,
        ageMs: Math.round(now - seenAt),
      }))
  }

  /** Takes what the previous process of this instance knew: each may live, though it has not been heard of yet. */
  remember(records: readonly InstanceRecord[]): void {
    const seenAt = this.options.now() - GONE_MS - 1
    for (const record of records) {
      if (record.id === this.options.id || this.byId.has(record.id)) continue
      this.byId.set(record.id, { record, saidAll: record.sequence, live: true, seenAt })
    }
  }

  /** Gone instances in whose place another one lives: that of a live member, or of `own`. */
  replaced(own: InstanceRecord): readonly Member[] {
    const live = this.all().filter((member) => member.live)
    const places = new Set([own, ...live.map(({ record }) => record)].flatMap(placeOf))
    return this.all().filter((member) => !member.live && placeOf(member.record).some((place) => places.has(place)))
  }

  /** Forgets all of them: the register alone is believed. */
  clear(): void {
    this.byId.clear()
    this.absent.clear()
    this.unread = []
  }

  /** Takes all that the register has. */
  see(sightings: readonly Sighting[]): void {
    const unread: Unreadable[] = []
    const seen = new Set<string>()
    for (const { id, record, ageMs } of sightings) {
      if (id === this.options.id) continue
      seen.add(id)
      if (isDeparture(record)) this.depart(id, record)
      else if (isRecord(record)) this.take(id, record, ageMs)
      else unread.push({ id, live: ageMs <= GONE_MS })
    }
    this.unread = unread
    this.absent.clear()
    for (const [id, member] of this.byId) {
      if (seen.has(id)) continue
      this.absent.add(id)
      const live = this.isLive(member, this.options.now() - member.seenAt)
      this.byId.set(id, { ...member, live })
    }
  }

  /** Takes what an instance says between two beats: how far it has come, all of itself, or that it departs. */
  hear(id: string, said: JsonObject): void {
    if (id === this.options.id) return
    if (isDeparture(said)) {
      // The register names the instance that has taken its place, which may not be known here yet: the next beat tells both.
      if (said.why !== 'replaced' || this.hasSuccessor(id)) this.depart(id, said)
      return
    }
    if (isRecord(said)) {
      this.take(id, said, 0)
      return
    }
    const member = this.byId.get(id)
    if (member === undefined || !isProgress(said) || said.boot !== member.record.boot) return
    if (said.sequence <= member.record.sequence) return
    this.byId.set(id, { ...member, record: { ...member.record, ...progressOf(said) } })
  }

  /** Whether another instance is known to live in the place of this one. */
  private hasSuccessor(id: string): boolean {
    const gone = this.byId.get(id)
    if (gone === undefined) return false
    const places = new Set(placeOf(gone.record))
    return this.all().some(
      ({ record, live }) => live && record.id !== id && placeOf(record).some((at) => places.has(at)),
    )
  }

  /** Forgets an instance that has departed. */
  depart(id: string, departure: Departure): void {
    const name = this.byId.get(id)?.record.name ?? this.unread.find((each) => each.id === id)?.id
    if (name === undefined) return
    this.byId.delete(id)
    this.absent.delete(id)
    this.unread = this.unread.filter((each) => each.id !== id)
    this.options.onDeparture(name, departure)
  }

  private take(id: string, record: InstanceRecord, ageMs: number): void {
    const known = this.byId.get(id)
    const live = this.isLive(known, ageMs)
    const seenAt = this.options.now() - ageMs
    const same = known?.record.boot === record.boot ? known : null
    if (same !== null && same.saidAll >= record.sequence) {
      // What it has said in between is newer than what it beats.
      this.byId.set(id, { ...same, live, seenAt })
      return
    }
    const newest = same !== null && same.record.sequence > record.sequence ? progressOf(same.record) : {}
    this.byId.set(id, { record: { ...record, ...newest }, saidAll: record.sequence, live, seenAt })
  }

  private isLive(known: Member | undefined, ageMs: number): boolean {
    const maybeAway = known === undefined ? ageMs < OUTAGE_MS : known.live
    const inGrace = maybeAway && this.options.now() < this.graceUntil
    return ageMs <= GONE_MS || inGrace
  }
}

/** Where an instance is, and no other can be at the same time: the address of its admin API, on its machine. */
function placeOf({ host, address }: InstanceRecord): string[] {
  return address === '' ? [] : [`${host} ${address}`]
}

function progressOf({ boot, sequence, applied, busy, cut, cannotFollow = {} }: InstanceProgress): InstanceProgress {
  return { boot, sequence, applied, busy, cut, cannotFollow }
}
