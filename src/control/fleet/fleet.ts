import type { Departure, InstanceProgress, InstanceRecord } from '../../model/fleet.ts'
import { isDeparture } from '../../model/fleet-shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { Register, Sighting } from '../../store/register.ts'
import { StoreUnavailable } from '../../store/store.ts'
import type { Member, Unreadable } from './members.ts'
import { GONE_MS, Members } from './members.ts'
import type { RememberedMembers } from './remembered-members.ts'

export const BEAT_MS = 1_000
/** The register keeps for so long that an instance has departed: every instance that can be heard knows it by then. */
const DEPARTED_MS = 24 * 3_600_000

export interface FleetOptions {
  /** null = there is no fleet: the store is this instance's own. */
  readonly register: Register | null
  readonly id: string
  readonly record: () => InstanceRecord
  readonly progress: () => InstanceProgress
  /** Somebody has come, gone, or come further. */
  readonly onChange: () => void
  /** A person has struck off an instance, here or elsewhere. */
  readonly onStruck?: (name: string, departure: Departure) => void
  /** The other instances, as the previous process of this one knew them. */
  readonly remembered?: Pick<RememberedMembers, 'recall' | 'keep'>
  /** Milliseconds since the epoch, by the clock that times are shown by. */
  readonly nowMs?: () => number
}

/**
 * Tells the other instances that share the store how this one is, each second, and at once when it has come further; and
 * knows the same of them. One that has not been heard of for three seconds is gone. While the store is away no instance can
 * be heard, and none is judged.
 */
export class Fleet {
  private readonly options: FleetOptions
  private readonly members: Members
  private timer: NodeJS.Timeout | undefined
  private hasJoined = false
  private hasLeft = false
  /** Monotonic ms; null = there was none. */
  private lastBeatAt: number | null = null
  private isReporting = false
  private sent = ''

  constructor(options: FleetOptions) {
    this.options = options
    this.members = new Members({
      id: options.id,
      now: () => performance.now(),
      onDeparture: (name, departure) => {
        if (departure.why === 'struck') options.onStruck?.(name, departure)
      },
    })
    options.register?.onReport((id, said) => {
      this.members.hear(id, said)
      if (isDeparture(said)) this.remember()
      options.onChange()
    })
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
      // Some jitter, so that instances that were started together do not all ask the store in the same moment.
      if (!this.hasLeft) {
        this.timer = setTimeout(() => void this.beatOn(), BEAT_MS * (0.9 + Math.random() * 0.1)).unref()
      }
    }
  }

  /**
   * Hears of all instances that there are now. An instance registers before it reads the state: after a change, this finds
   * every one that may not have it yet. Does nothing while the store is away.
   */
  async refresh(): Promise<void> {
    if (this.hasJoined && !this.hasLeft) await this.beat()
  }

  /** Tells the others at once all there is to say, instead of with the next beat. */
  announce(): void {
    const { register, id, record } = this.options
    if (this.hasJoined) register?.report(id, asJson(record()))
  }

  /** Takes leave: no instance waits for this one any more. */
  async leave(): Promise<void> {
    const { register, id } = this.options
    if (this.hasLeft) return
    this.stop()
    if (!this.hasJoined) return
    const departure: Departure = { leaving: true, why: 'left', by: null, reason: null }
    register?.report(id, asJson(departure))
    await register?.strike([id], asJson(departure), 0).catch(ifUnavailable)
  }

  /** Says no more. */
  stop(): void {
    this.hasLeft = true
    clearTimeout(this.timer)
  }

  /**
   * Strikes off an instance that is gone: no answer names it any more, until it is back. `alive`: it has been heard of
   * meanwhile. Throws StoreUnavailable.
   */
  async strike(id: string, by: string, reason: string | null): Promise<'struck' | 'alive'> {
    const struck = await this.strikeGone([id], { leaving: true, why: 'struck', by, reason })
    return struck.includes(id) ? 'struck' : 'alive'
  }

  /** There is nobody else, and never will be. */
  get isAlone(): boolean {
    return this.options.register === null
  }

  /** The others: those that live, and those that have gone without taking leave. */
  others(): readonly Member[] {
    return this.members.all()
  }

  /** Instances that nothing is known of but that they are, or were, there: of a newer version, say. */
  unreadable(): readonly Unreadable[] {
    return this.members.unreadable()
  }

  /** When an instance was last heard of. */
  lastSeen({ seenAt }: Member): Date {
    const { nowMs = Date.now } = this.options
    return new Date(nowMs() - (performance.now() - seenAt))
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
      if (this.lastBeatAt === null) this.members.remember(this.options.remembered?.recall() ?? [])
      const sightings = await register.beat(id, asJson(record()), this.members.lost())
      if (this.hasLeft) return
      const now = performance.now()
      const silenceMs = this.lastBeatAt === null ? null : now - this.lastBeatAt
      // After a silence of ours nothing follows from that of the others: the store may have been away for all.
      if (silenceMs === null || silenceMs > 2 * BEAT_MS) this.members.graceUntil = now + GONE_MS
      // What the register does not have may have departed so long ago that it is not kept any more.
      if (silenceMs !== null && silenceMs > DEPARTED_MS / 2) this.members.clear()
      this.lastBeatAt = now
      this.members.see(sightings)
      onChange()
      const lost = this.members.lost()
      if (lost.length > 0) this.members.see(await register.beat(id, asJson(record()), lost))
      this.remember()
      await this.tidy(sightings)
    } catch (error) {
      ifUnavailable(error)
    }
  }

  /** Strikes off gone instances that others have replaced, and clears away departures of long ago. */
  private async tidy(sightings: readonly Sighting[]): Promise<void> {
    const { register, record } = this.options
    const replaced = this.members.replaced(record()).map((member) => member.record.id)
    if (replaced.length > 0) await this.strikeGone(replaced, { leaving: true, why: 'replaced', by: null, reason: null })
    const old = sightings.filter((each) => isDeparture(each.record) && each.ageMs > DEPARTED_MS).map(({ id }) => id)
    if (old.length > 0) await register?.forget(old)
  }

  /** Resolves with those that the register has struck off: not those that have beaten meanwhile. Throws StoreUnavailable. */
  private async strikeGone(ids: readonly string[], departure: Departure): Promise<readonly string[]> {
    const { register, onChange } = this.options
    const said = asJson(departure)
    const struck = (await register?.strike(ids, said, GONE_MS)) ?? []
    for (const id of struck) {
      this.members.depart(id, departure)
      register?.report(id, said)
    }
    if (struck.length === 0) return struck
    this.remember()
    onChange()
    return struck
  }

  /** Keeps the other instances for the next process of this one. */
  private remember(): void {
    this.options.remembered?.keep(this.members.all().map((member) => member.record))
  }
}

function asJson(value: InstanceRecord | Departure): JsonObject {
  return value as unknown as JsonObject
}

function ifUnavailable(error: unknown): void {
  // The store says so itself, once.
  if (!(error instanceof StoreUnavailable)) throw error
}
