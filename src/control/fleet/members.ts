import type { Departure, InstanceProgress, InstanceRecord } from '../../model/fleet.ts'
import { isDeparture, isProgress, isRecord } from '../../model/fleet-shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { KeptProgress, Sighting } from '../../store/register.ts'

/** An instance without a heartbeat for this long is gone. Source: SPEC §6. */
export const GONE_MS = 3_000
/**
 * Max assumed length of a store outage before the start of this instance: until the grace period ends, older instances
 * that were silent for less than this count as live, because they may have been unable to reach the store.
 */
const OUTAGE_MS = 3_600_000

/** Max records that are put back with one heartbeat. Live instances put themselves back meanwhile. */
const MAX_PUT_BACK = 100

/** Another instance of the fleet. */
export interface Member {
  readonly record: InstanceRecord
  /** Sequence number of the last complete record. */
  readonly saidAll: number
  /** Whether the instance has a recent heartbeat. Otherwise it is gone, and its state in force is unknown. */
  readonly live: boolean
  /**
   * Whether the heartbeat is recent, which that of a live instance may not be after an outage of the store, and its progress is
   * known since then. Otherwise its record proves nothing.
   */
  readonly isHeard: boolean
  /** Time of the last heartbeat, on this process's monotonic clock, ms. */
  readonly seenAt: number
}

/** Another instance whose record this version cannot read. */
export interface UnreadableMember {
  readonly id: string
  readonly live: boolean
}

export interface MembersOptions {
  /** Id of this instance. */
  readonly id: string
  /** Monotonic clock, ms. */
  readonly now: () => number
  /** Called when a known instance has departed. `name`: its id if the name is unknown. */
  readonly onDeparture: (name: string, departure: Departure) => void
}

/**
 * The records of the other instances: live ones, and those that are gone without signing off. A gone instance is kept,
 * even if the register loses it, until it is back or the register has its departure.
 */
export class Members {
  private readonly options: MembersOptions
  private readonly byId = new Map<string, Member>()
  private unread: readonly UnreadableMember[] = []
  /** Ids of known instances that the register has lost. */
  private readonly absent = new Set<string>()
  /** End of the grace period, monotonic ms: until then, no instance that was live counts as gone. */
  graceUntil = 0

  constructor(options: MembersOptions) {
    this.options = options
  }

  all(): readonly Member[] {
    return [...this.byId.values()]
  }

  unreadable(): readonly UnreadableMember[] {
    return this.unread
  }

  /**
   * Instances that the register has lost, for example because it was emptied, to be put back there: gone ones first, and some
   * at a time. Includes live ones: if they lose touch now, an instance that starts would never hear of them.
   */
  lost(): readonly Sighting[] {
    const now = this.options.now()
    return this.all()
      .filter(({ record }) => this.absent.has(record.id))
      .toSorted((a, b) => Number(a.live) - Number(b.live))
      .slice(0, MAX_PUT_BACK)
      .map(({ record, seenAt }) => ({
        id: record.id,
        record: record as unknown as JsonObject,
        ageMs: Math.round(now - seenAt),
      }))
  }

  /** Adds the instances that the previous process of this instance knew, as live without a heartbeat yet. */
  remember(records: readonly InstanceRecord[]): void {
    const seenAt = this.options.now() - GONE_MS - 1
    for (const record of records) {
      if (record.id === this.options.id || this.byId.has(record.id)) continue
      this.byId.set(record.id, { record, saidAll: record.sequence, live: true, isHeard: false, seenAt })
    }
  }

  /** Gone instances replaced by a live member, or by this instance (`own`), at the same address. */
  replaced(own: InstanceRecord): readonly Member[] {
    const live = this.all().filter((member) => member.live)
    const places = new Set([own, ...live.map(({ record }) => record)].flatMap(placeOf))
    return this.all().filter((member) => !member.live && placeOf(member.record).some((place) => places.has(place)))
  }

  /** Forgets all instances; afterwards the register alone counts. */
  clear(): void {
    this.byId.clear()
    this.absent.clear()
    this.unread = []
  }

  /** Takes the whole content of the register. */
  see(sightings: readonly Sighting[]): void {
    const unread: UnreadableMember[] = []
    const seen = new Set<string>()
    for (const { id, record, ageMs, progress } of sightings) {
      if (id === this.options.id) continue
      seen.add(id)
      const whole = withProgress(record, progress)
      if (isDeparture(record)) this.depart(id, record)
      else if (isRecord(whole)) this.take(id, whole, ageMs, progress)
      else unread.push({ id, live: ageMs <= GONE_MS })
    }
    this.unread = unread
    this.absent.clear()
    for (const [id, member] of this.byId) {
      if (seen.has(id)) continue
      this.absent.add(id)
      const ageMs = this.options.now() - member.seenAt
      // With its record, the register has lost the progress that it kept.
      const isHeard = ageMs <= GONE_MS && member.record.keepsProgress !== true
      this.byId.set(id, { ...member, live: this.isLive(member, ageMs), isHeard })
    }
  }

  /**
   * Takes a message that an instance published between heartbeats: its progress, its whole record, or its departure. `progress`: as
   * in `Sighting`.
   */
  hear(id: string, said: JsonObject, progress?: KeptProgress | null): void {
    if (id === this.options.id) return
    if (isDeparture(said)) {
      // Its successor may not be known here yet; then the next heartbeat brings the departure and the successor.
      if (said.why !== 'replaced' || this.hasSuccessor(id)) this.depart(id, said)
      return
    }
    const whole = withProgress(said, progress)
    if (isRecord(whole)) {
      this.take(id, whole, 0, progress)
      return
    }
    const member = this.byId.get(id)
    if (member === undefined || !isProgress(whole)) return
    // The register has compared what it keeps.
    const isKept = progress !== undefined
    if (!isKept && (whole.boot !== member.record.boot || whole.sequence <= member.record.sequence)) return
    const { boot, sequence } = isKept ? member.record : whole
    this.byId.set(id, { ...member, record: { ...member.record, ...progressOf(whole), boot, sequence } })
  }

  /** Whether a live instance at the address of this one is known. */
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

  private take(id: string, record: InstanceRecord, ageMs: number, progress: Sighting['progress']): void {
    const known = this.byId.get(id)
    const live = this.isLive(known, ageMs)
    const isHeard = ageMs <= GONE_MS && progress !== null
    const seenAt = this.options.now() - ageMs
    const same = known?.record.boot === record.boot ? known : null
    const isOlder = same !== null && same.saidAll >= record.sequence
    const latest = isOlder ? same.record : record
    const saidAll = isOlder ? same.saidAll : record.sequence
    // The register knows what is newer. Without it, progress published since is newer than the record of this heartbeat.
    const isOutdated = !isOlder && same !== null && same.record.sequence > record.sequence
    const newest = progress
      ? { ...progressOf(record), sequence: latest.sequence }
      : isOutdated
        ? progressOf(same.record)
        : {}
    this.byId.set(id, { record: { ...latest, ...newest }, saidAll, live, isHeard, seenAt })
  }

  private isLive(known: Member | undefined, ageMs: number): boolean {
    const maybeAway = known === undefined ? ageMs < OUTAGE_MS : known.live
    const inGrace = maybeAway && this.options.now() < this.graceUntil
    return ageMs <= GONE_MS || inGrace
  }
}

/**
 * The place of an instance, which only one can have at a time: its machine and admin address. Empty = no admin address.
 */
function placeOf({ host, address }: InstanceRecord): string[] {
  return address === '' ? [] : [`${host} ${address}`]
}

/** A record or progress, with the progress that the register keeps. */
function withProgress(said: JsonObject, progress: Sighting['progress']): JsonObject {
  if (!progress) return said
  const { appliedInPart: _, cannotFollow: __, deploys: ___, ...rest } = said
  return { ...rest, ...progress.standing, cut: progress.cut }
}

function progressOf(progress: InstanceProgress): InstanceProgress {
  const { boot, sequence, applied, appliedInPart = null, busy, cut, cannotFollow = {}, deploys = {} } = progress
  return { boot, sequence, applied, appliedInPart, busy, cut, cannotFollow, deploys }
}
