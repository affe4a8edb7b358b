import { setTimeout as delay } from 'node:timers/promises'
import type { Departure, InstanceProgress, InstanceRecord } from '../../model/fleet.ts'
import { isDeparture } from '../../model/fleet-shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { KeptProgress, Register, Sighting } from '../../store/register.ts'
import { OutcomeUnknown, StoreUnavailable } from '../../store/store.ts'
import type { Member, UnreadableMember } from './members.ts'
import { GONE_MS, Members } from './members.ts'
import type { RememberedMembers } from './remembered-members.ts'

export const BEAT_MS = 1_000
/** Time between heartbeats while the others are expected back, as after an outage of the store. */
const SOON_MS = 250
/** The same for each of the others, if there are many. */
const SOON_MS_EACH = 10
/** Max time to wait for the loads of the other instances. */
const LOADS_WITHIN_MS = 250
/**
 * Max number of live instances of a fleet in which each one sends its progress to all others at once. In a larger one they
 * read it: the messages would grow with the square of their number.
 */
const TOLD_UP_TO = 30
/** Min time between two readings of the others' progress while something waits for it, ms; then a share of the time waited. */
const WATCH_MS = 100
const WATCH_SHARE = 0.2
/** How long the register keeps a departure: long enough for every reachable instance to learn of it. */
const DEPARTED_MS = 24 * 3_600_000

export interface FleetOptions {
  /** null = no fleet: only this instance uses the store. */
  readonly register: Register | null
  readonly id: string
  readonly record: () => InstanceRecord
  readonly progress: () => InstanceProgress
  /** Called when another instance has joined, left, or made progress. */
  readonly onChange: () => void
  /** Called when a person has struck off an instance, here or at another instance. */
  readonly onStruck?: (name: string, departure: Departure) => void
  /** The other instances, as the previous process of this one knew them. */
  readonly remembered?: Pick<RememberedMembers, 'recall' | 'keep'>
  /** Milliseconds since the epoch, for times shown to people. */
  readonly nowMs?: () => number
  /** Default 30; for tests. See `TOLD_UP_TO`. */
  readonly toldUpTo?: number
}

/**
 * Publishes the record of this instance to the others that share the store, every second and whenever it makes
 * progress, and keeps the records of the others. An instance without a heartbeat for three seconds is gone. While the
 * store is away, no heartbeat can arrive, and no instance counts as gone.
 */
export class Fleet {
  private readonly options: FleetOptions
  private readonly members: Members
  private timer: NodeJS.Timeout | undefined
  private hasJoined = false
  private hasLeft = false
  /** Time of the last successful heartbeat, monotonic ms; null = none yet. */
  private lastBeatAt: number | null = null
  /** Time of the last record that the others may have received, of an earlier process too, monotonic ms. */
  private lastSaidAt = performance.now()
  /** Time at which all records were last read as they are, monotonic ms. */
  private lastWholeAt = Number.NEGATIVE_INFINITY
  private reading: Promise<unknown> | null = null
  /** The last heartbeat that was begun. */
  private beating: Promise<unknown> = Promise.resolve()
  private readonly onBeat = new Set<() => void>()
  private isReporting = false
  private sent = ''
  /** Whether the last progress was sent to all. */
  private wasTold = true
  /** When each of those that wait for progress of the others began, monotonic ms. */
  private readonly watches = new Set<{ readonly since: number }>()
  private watching: NodeJS.Timeout | undefined

  constructor(options: FleetOptions) {
    this.options = options
    this.members = new Members({
      id: options.id,
      now: () => performance.now(),
      onDeparture: (name, departure) => {
        if (departure.why === 'struck') options.onStruck?.(name, departure)
      },
    })
    options.register?.onReport((id, said, progress) => {
      this.members.hear(id, said, progress)
      // An instance that must be told of the progress may have joined.
      if (!this.wasTold) this.publish()
      if (isDeparture(said)) this.remember()
      options.onChange()
    })
  }

  /**
   * Publishes this instance now, and keeps publishing it. Resolves when it is in the register, or the store is away.
   */
  async join(): Promise<void> {
    if (this.options.register === null || this.hasLeft) return
    if (this.hasJoined) await this.beat()
    else {
      this.hasJoined = true
      await this.beatOn()
      // The others learn of it now, not with their next heartbeats.
      this.announce()
    }
  }

  private async beatOn(): Promise<void> {
    try {
      await this.beat()
    } finally {
      // Jitter keeps instances that were started together from using the store at the same moment.
      if (!this.hasLeft) {
        const live = this.live()
        // Not of hundreds at once: an overloaded store would be asked even more.
        const soonMs = Math.min(BEAT_MS, Math.max(SOON_MS, live.length * SOON_MS_EACH))
        const intervalMs = live.every(({ isHeard }) => isHeard) ? BEAT_MS : soonMs
        this.timer = setTimeout(() => void this.beatOn(), intervalMs * (0.9 + Math.random() * 0.1)).unref()
      }
    }
  }

  /**
   * Reads the register now, or as soon as the store can be reached. An instance registers before it reads the state:
   * after a change, this finds every instance that may not have it yet. Resolves with whether the register was read
   * within `timeoutMs`; the first attempt is made even if that is 0.
   */
  async refresh(timeoutMs: number): Promise<boolean> {
    if (this.isAlone) return true
    if (!this.hasJoined || this.hasLeft) return false
    const deadline = performance.now() + timeoutMs
    if (await this.beat({ complete: true })) return true
    return new Promise((resolve) => {
      const end = (isRead: boolean): void => {
        clearTimeout(timer)
        this.onBeat.delete(onBeat)
        resolve(isRead)
      }
      const onBeat = (): void => end(true)
      const timer = setTimeout(end, Math.max(0, deadline - performance.now()), false)
      this.onBeat.add(onBeat)
    })
  }

  /**
   * Reads what the other instances have in flight, and how their processes are, unless that is known as of the last second.
   * Heartbeats leave it out: it would be most of the traffic in a large fleet. Without the store, it stays as it was.
   */
  async readLoads(): Promise<void> {
    if (this.isAlone || !this.hasJoined || this.hasLeft) return
    if (performance.now() - this.lastWholeAt < BEAT_MS) return
    this.reading ??= this.beat({ whole: true }).finally(() => {
      this.reading = null
    })
    await Promise.race([this.reading, delay(LOADS_WITHIN_MS, undefined, { ref: false })])
  }

  /**
   * Time until the other instances know that this one is out of touch, if no heartbeat succeeds, ms; 0 = they know by
   * now.
   */
  get heardForMs(): number {
    if (this.isAlone) return 0
    // The others read the register every `BEAT_MS`.
    return Math.max(0, this.lastSaidAt + GONE_MS + BEAT_MS - performance.now())
  }

  /** Publishes the whole record at once, instead of with the next heartbeat. */
  announce(): void {
    const { register, id, record } = this.options
    if (!this.hasJoined) return
    const said = record()
    register?.report(id, keptOf(said), true)
    register?.tell(id, asJson(said))
  }

  /** Signs this instance off: no other instance waits for it any more. */
  async leave(): Promise<void> {
    const { register, id } = this.options
    if (this.hasLeft) return
    this.stop()
    if (!this.hasJoined) return
    const departure: Departure = { leaving: true, why: 'left', by: null, reason: null }
    register?.tell(id, asJson(departure))
    await register?.strike([id], asJson(departure), 0).catch(ifUnavailable)
  }

  /** Stops publishing, without signing off. */
  stop(): void {
    this.hasLeft = true
    clearTimeout(this.timer)
    clearTimeout(this.watching)
  }

  /**
   * Strikes off an instance that is gone: responses stop naming it until it is back. Returns `alive` if it has sent a
   * heartbeat in the meantime. Throws StoreUnavailable.
   */
  async strike(id: string, by: string, reason: string | null): Promise<'struck' | 'alive'> {
    const struck = await this.strikeGone([id], { leaving: true, why: 'struck', by, reason })
    return struck.includes(id) ? 'struck' : 'alive'
  }

  /** Whether the store is this instance's own, so that no other instance can join. */
  get isAlone(): boolean {
    return this.options.register === null
  }

  /** The other instances: live ones, and those that are gone without signing off. */
  others(): readonly Member[] {
    return this.members.all()
  }

  /** Instances whose records cannot be read, for example because they run a newer version. */
  unreadable(): readonly UnreadableMember[] {
    return this.members.unreadable()
  }

  /** Time of the last heartbeat of an instance. */
  lastSeen({ seenAt }: Member): Date {
    const { nowMs = Date.now } = this.options
    return new Date(nowMs() - (performance.now() - seenAt))
  }

  live(): readonly Member[] {
    return this.others().filter(({ live }) => live)
  }

  /** Publishes the progress of this instance, if it has changed. */
  report(): void {
    if (this.options.register === null || this.isReporting || this.hasLeft) return
    this.isReporting = true
    // Batches the progress of several workers within one turn of the event loop.
    setImmediate(() => {
      this.isReporting = false
      this.publish()
    })
  }

  /**
   * Reads the progress of the others more often than with each heartbeat, if they do not send it, until the returned function is
   * called.
   */
  watch(): () => void {
    const watch = { since: performance.now() }
    this.watches.add(watch)
    this.watchOn()
    return () => {
      this.watches.delete(watch)
      if (this.watches.size === 0) clearTimeout(this.watching)
    }
  }

  private watchOn(): void {
    clearTimeout(this.watching)
    const newest = Math.max(...[...this.watches].map(({ since }) => since))
    const pauseMs = Math.max(WATCH_MS, WATCH_SHARE * (performance.now() - newest))
    // The next heartbeat is as soon as that.
    if (this.watches.size === 0 || pauseMs > BEAT_MS) return
    this.watching = setTimeout(() => {
      const beating = this.isTold() || !this.hasJoined || this.hasLeft ? Promise.resolve() : this.beat()
      void beating.finally(() => {
        if (!this.hasLeft) this.watchOn()
      })
    }, pauseMs).unref()
  }

  /** Whether this instance sends its progress to all others at once. */
  private isTold(): boolean {
    const { toldUpTo = TOLD_UP_TO } = this.options
    const live = this.live()
    if (live.length < toldUpTo) return true
    // Instances of older versions read nothing else.
    return live.some(({ record }) => record.keepsProgress !== true) || this.unreadable().some((each) => each.live)
  }

  private publish(): void {
    const { register, id, progress } = this.options
    const { sequence, ...rest } = progress()
    const said = JSON.stringify(rest)
    const isTold = this.isTold()
    // Those that must be told now have not been told the last time.
    if (this.hasLeft || (said === this.sent && (this.wasTold || !isTold))) return
    this.sent = said
    this.wasTold = isTold
    register?.report(id, keptOf({ sequence, ...rest }), isTold)
  }

  /** Writes the record of this instance to the register, and reads the others. Returns whether it has. */
  private beat(reading: { readonly whole?: boolean; readonly complete?: boolean } = {}): Promise<boolean> {
    // One after the other: each reads what has changed since the one before, and says how things are when it is sent.
    const beaten = this.beating.then(() => this.beatNow(reading))
    this.beating = beaten.catch(() => undefined)
    return beaten
  }

  private async beatNow({ whole = false, complete = false }): Promise<boolean> {
    const { register, id, record, onChange } = this.options
    if (register === null || this.hasLeft) return false
    const saidAt = performance.now()
    const said = record()
    const isComplete = complete || whole || this.watches.size > 0 || this.onBeat.size > 0
    const options = { mark: markOf(said), progress: keptOf(said), whole, complete: isComplete }
    try {
      if (this.lastBeatAt === null) this.members.remember(this.options.remembered?.recall() ?? [])
      const sightings = await register.beat(id, asJson(said), { ...options, lost: this.members.lost() })
      this.lastSaidAt = saidAt
      if (this.hasLeft) return false
      const now = performance.now()
      const silenceMs = this.lastBeatAt === null ? null : now - this.lastBeatAt
      // After a gap in this instance's own heartbeats, old heartbeats of the others prove nothing: the store may have
      // been away for all of them.
      if (silenceMs === null || silenceMs > 2 * BEAT_MS) this.members.graceUntil = now + GONE_MS
      // An instance missing in the register may have departed so long ago that its departure was cleared away.
      if (silenceMs !== null && silenceMs > DEPARTED_MS / 2) this.members.clear()
      this.lastBeatAt = now
      if (whole) this.lastWholeAt = now
      this.members.see(sightings)
      if (!this.wasTold) this.publish()
      onChange()
      const lost = this.members.lost()
      if (lost.length > 0) this.members.see(await register.beat(id, asJson(said), { ...options, whole: false, lost }))
      this.remember()
      if (isComplete) for (const listener of [...this.onBeat]) listener()
      await this.tidy(sightings)
      return true
    } catch (error) {
      if (error instanceof OutcomeUnknown) this.lastSaidAt = saidAt
      ifUnavailable(error)
      return false
    }
  }

  /** Strikes off gone instances that others have replaced, and removes departures older than `DEPARTED_MS`. */
  private async tidy(sightings: readonly Sighting[]): Promise<void> {
    const { register, record } = this.options
    const replaced = this.members.replaced(record()).map((member) => member.record.id)
    if (replaced.length > 0) await this.strikeGone(replaced, { leaving: true, why: 'replaced', by: null, reason: null })
    const old = sightings.filter((each) => isDeparture(each.record) && each.ageMs > DEPARTED_MS).map(({ id }) => id)
    if (old.length > 0) await register?.forget(old)
  }

  /**
   * Returns the ids that the register has struck off; leaves out those with a new heartbeat. Throws StoreUnavailable.
   */
  private async strikeGone(ids: readonly string[], departure: Departure): Promise<readonly string[]> {
    const { register, onChange } = this.options
    const said = asJson(departure)
    const struck = (await register?.strike(ids, said, GONE_MS)) ?? []
    for (const id of struck) {
      this.members.depart(id, departure)
      register?.tell(id, said)
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

function keptOf({ boot, sequence, cut, ...rest }: InstanceProgress): KeptProgress {
  const { applied, appliedInPart, busy, cannotFollow, deploys } = rest
  const standing = { applied, appliedInPart, busy, cannotFollow, deploys }
  return { boot, sequence, cut, standing: standing as unknown as JsonObject }
}

function asJson(value: InstanceRecord | Departure): JsonObject {
  return value as unknown as JsonObject
}

function ifUnavailable(error: unknown): void {
  // The store logs its own outage, once.
  if (!(error instanceof StoreUnavailable)) throw error
}

/** Members of a record that change all the time: progress, which is reported at once, and loads (see `readLoads`). */
const PASSING: ReadonlySet<string> = new Set<keyof InstanceRecord>([
  'sequence',
  'applied',
  'appliedInPart',
  'busy',
  'cut',
  'cannotFollow',
  'deploys',
  'inFlight',
  'queued',
  'held',
  'processes',
])

/** Changes with what matters of a record to the other instances. */
function markOf(record: InstanceRecord): string {
  return JSON.stringify(Object.entries(record).filter(([key]) => !PASSING.has(key)))
}
