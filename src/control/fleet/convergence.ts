import type { AppliedInPart, HandoverRecord } from '../../model/fleet.ts'
import { entriesOf, matchesKey } from '../../model/names.ts'
import type { StateName } from '../../model/state.ts'
import type { Progress } from '../progress.ts'
import type { Lineage } from './lineage.ts'
import type { Member, UnreadableMember } from './members.ts'

/** The state to wait for: the table generation of this instance, and the state of the other instances. */
export interface Goal {
  readonly generation: number
  /** null = that of this instance alone, by a local override. */
  readonly state: StateName | null
  /** The services whose definitions must be in force; absent = all. */
  readonly services?: readonly string[]
}

/** Where a new definition waits for its servers, and what it waits for. */
export interface HandoverAt {
  readonly instance: string
  readonly service: string
  readonly waitsFor: string
}

/** Progress of the fleet in applying a change and draining targets. */
export interface Standing {
  /** The change is in force in every proxy of every live instance. */
  readonly applied: boolean
  /** Proxies of this instance, and other instances by name, where the change is not in force. */
  readonly lagging: readonly string[]
  /** Definitions that wait for their servers, so that the change is not in force. */
  readonly handovers: readonly HandoverAt[]
  /** Requests in flight by target key, for the targets asked about. */
  readonly busy: Readonly<Record<string, number>>
  /** The instances that have these requests. */
  readonly busyAt: readonly { readonly instance: string; readonly keys: readonly string[] }[]
  /** Instances, by name, that are gone without signing off; their state in force is unknown. */
  readonly leftOut: readonly string[]
}

/** Progress when waiting ended. */
export interface Waited extends Standing {
  /** Requests cut at the targets asked about while waiting. */
  readonly cut: number
  /** When the change was first seen to be in force everywhere, monotonic ms; null = it is not. */
  readonly appliedAt: number | null
}

interface ConvergenceOptions {
  readonly progress: Progress
  readonly lineage: Lineage
  /** Definitions that are not in force in all proxies of this instance, by service. */
  readonly handovers: () => Readonly<Record<string, HandoverRecord>>
  /** The other instances. */
  readonly others: () => readonly Member[]
  /** Other instances whose records cannot be read. */
  readonly unreadable: () => readonly UnreadableMember[]
  /** See `Fleet.watch`. */
  readonly watch: () => () => void
  /** Name of this instance, for people. */
  readonly ownName: string
}

/**
 * Tells whether a change is in force and targets are idle, in all proxies of this instance and in the fleet; waits for
 * it.
 */
export class Convergence {
  private readonly options: ConvergenceOptions
  private readonly waiters = new Set<() => void>()

  constructor(options: ConvergenceOptions) {
    this.options = options
  }

  /** Re-evaluates all waits; called when a proxy or another instance has made progress. */
  check(): void {
    for (const check of [...this.waiters]) check()
  }

  /** Returns the progress towards `goal`, and the requests in flight at `keys`. `here`: of this instance alone. */
  standing({ generation, state, services }: Goal, keys: readonly string[], here = false): Standing {
    const { progress, lineage, ownName } = this.options
    const lagging = [...progress.lagging(generation)]
    const handovers: HandoverAt[] = []
    const addHandovers = (nameOf: () => string, all: AppliedInPart['handovers']): void => {
      for (const [service, { waitsFor }] of Object.entries(all))
        if (services === undefined || services.includes(service))
          handovers.push({ instance: nameOf(), service, waitsFor })
    }
    addHandovers(() => ownName, this.options.handovers())
    // An instance with a later state counts once its head is in the lineage: this instance receives that state shortly.
    const isReached = (applied: StateName | null): boolean =>
      state !== null && applied !== null && applied.revision >= state.revision && lineage.has(applied)
    const busy: Record<string, number> = {}
    const busyAt: Standing['busyAt'][number][] = []
    const add = (nameOf: () => string, counts: Readonly<Record<string, number>>): void => {
      const inFlight = entriesOf(counts, keys).filter(([, count]) => count > 0)
      const busyKeys = inFlight.map(([key]) => key)
      for (const [key, count] of inFlight) busy[key] = (busy[key] ?? 0) + count
      if (busyKeys.length > 0) busyAt.push({ instance: nameOf(), keys: busyKeys })
    }
    add(() => ownName, progress.busy())
    for (const member of here ? [] : this.live()) {
      const { applied, appliedInPart = null, busy: counts, cannotFollow = {} } = member.record
      const isPartOnly = !isReached(applied) && isReached(appliedInPart)
      if (isPartOnly) addHandovers(() => this.nameOf(member), appliedInPart?.handovers ?? {})
      // An instance that has been silent for too long may have overrides by now.
      const hasIt = (isReached(applied) || isPartOnly) && member.isHeard
      // An instance that cannot read the new definition may still send requests to the servers being drained.
      const serves = Object.values(cannotFollow).flatMap((each) => each.serves)
      const stillServes = serves.some((key) => matchesKey(key, keys))
      if (!hasIt || stillServes) lagging.push(this.nameOf(member))
      add(() => this.nameOf(member), counts)
    }
    if (!here) lagging.push(...this.idsOfUnreadable(true))
    const isApplied = lagging.length === 0 && handovers.length === 0
    return { applied: isApplied, lagging, handovers, busy, busyAt, leftOut: here ? [] : this.leftOut() }
  }

  /** Keys of targets that take no new requests and have some in flight anywhere in the fleet. */
  busyKeys(): ReadonlySet<string> {
    const all = [this.options.progress.busy(), ...this.live().map(({ record }) => record.busy)]
    return new Set(all.flatMap((counts) => Object.keys(counts)))
  }

  /** Keys of targets that get requests by a definition that is not that of the state any more, anywhere in the fleet. */
  servedMeanwhile(): readonly string[] {
    const all = [this.options.handovers(), ...this.live().map(({ record }) => record.appliedInPart?.handovers ?? {})]
    return all.flatMap((handovers) => Object.values(handovers).flatMap(({ serves }) => serves))
  }

  /** Instances, by name, that are gone without signing off, and are neither back nor struck off. */
  leftOut(): readonly string[] {
    const gone = this.options.others().filter(({ live }) => !live)
    return [...gone.map((member) => this.nameOf(member)), ...this.idsOfUnreadable(false)].sort()
  }

  /** Live other instances, by name, that cannot read the definition of one of these services. */
  cannotFollow(services: readonly string[]): readonly string[] {
    return this.live()
      .filter(({ record: { cannotFollow = {} } }) => services.some((name) => Object.hasOwn(cannotFollow, name)))
      .map((member) => this.nameOf(member))
      .sort()
  }

  /**
   * Resolves with the progress once `goal` is in force everywhere and no request is in flight at `keys`, or after
   * `timeoutMs`, or once `isLost()` is true. Does not wait for instances that are gone; `leftOut` names them.
   */
  wait(
    goal: Goal,
    keys: readonly string[],
    timeoutMs: number,
    here = false,
    isLost: () => boolean = () => false,
  ): Promise<Waited> {
    const cutSince = this.cutSince(keys, here)
    const unwatch = here ? () => undefined : this.options.watch()
    let appliedAt: number | null = null
    return new Promise((resolve) => {
      const end = (standing: Standing): void => {
        clearTimeout(timer)
        this.waiters.delete(check)
        unwatch()
        resolve({ ...standing, cut: cutSince(), appliedAt })
      }
      const check = (): void => {
        const standing = this.standing(goal, keys, here)
        if (standing.applied) appliedAt ??= performance.now()
        if ((standing.applied && standing.busyAt.length === 0) || isLost()) end(standing)
      }
      const timer = setTimeout(() => end(this.standing(goal, keys, here)), timeoutMs)
      this.waiters.add(check)
      check()
    })
  }

  /** Returns a function that tells how many requests were cut at `keys` since this call. `here`: at this instance alone. */
  cutSince(keys: readonly string[], here: boolean): () => number {
    const before = this.cuts(keys, here)
    return () => {
      const cuts = [...this.cuts(keys, here)].map(([id, count]) => Math.max(0, count - (before.get(id) ?? 0)))
      return cuts.reduce((sum, count) => sum + count, 0)
    }
  }

  /** Names an instance for people: by its name, and also by its address if the name is not unique. */
  nameOf({ record: { id, name, address }, live }: Member): string {
    // Gone instances are ignored for live ones: the name of a live instance must not change when another one dies.
    const others = this.options.others().filter((other) => other.record.id !== id && (other.live || !live))
    const names = [this.options.ownName, ...others.map(({ record }) => record.name)]
    return names.includes(name) ? `${name} (${address || id})` : name
  }

  private idsOfUnreadable(live: boolean): readonly string[] {
    return this.options
      .unreadable()
      .filter((each) => each.live === live)
      .map(({ id }) => id)
  }

  private live(): readonly Member[] {
    return this.options.others().filter(({ live }) => live)
  }

  /** Requests cut so far at `keys`, by instance id; '' = this instance. */
  private cuts(keys: readonly string[], here: boolean): ReadonlyMap<string, number> {
    const sum = (counts: Readonly<Record<string, number>>): number =>
      entriesOf(counts, keys).reduce((total, [, count]) => total + count, 0)
    const remote = here ? [] : this.options.others().map(({ record: { id, cut } }): [string, number] => [id, sum(cut)])
    return new Map([['', sum(this.options.progress.cut())], ...remote])
  }
}
