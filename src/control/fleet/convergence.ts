import type { StateName } from '../../model/state.ts'
import type { Progress } from '../progress.ts'
import type { Lineage } from './lineage.ts'
import type { Member, Unreadable } from './members.ts'

/** What is to be in force: the table of this instance, and the state of all the others. */
export interface Goal {
  readonly generation: number
  readonly state: StateName
}

/** How far the fleet has come with a change and with what it sends to rest. */
export interface Standing {
  /** It is in force in every proxy half of every instance that lives. */
  readonly applied: boolean
  /** Where it is not: proxy halves of this instance, and other instances by name. */
  readonly lagging: readonly string[]
  /** Requests under way by target key, for the targets asked about. */
  readonly busy: Readonly<Record<string, number>>
  /** The instances where they are. */
  readonly busyAt: readonly { readonly instance: string; readonly keys: readonly string[] }[]
  /** Instances, by name, that have gone without taking leave: what they have in force is not known. */
  readonly leftOut: readonly string[]
}

/** How things stood when waiting ended. */
export interface Waited extends Standing {
  /** Requests that were cut meanwhile at the targets asked about. */
  readonly cut: number
}

interface Parts {
  readonly progress: Progress
  readonly lineage: Lineage
  /** The other instances. */
  readonly others: () => readonly Member[]
  /** Others whose records cannot be read. */
  readonly unreadable: () => readonly Unreadable[]
  /** Of this instance, for people. */
  readonly ownName: string
}

/** Knows, and lets one wait for, what is in force and what is at rest: in all proxy halves here, and in the whole fleet. */
export class Convergence {
  private readonly parts: Parts
  private readonly waiters = new Set<() => void>()

  constructor(parts: Parts) {
    this.parts = parts
  }

  /** Somebody has come further. */
  check(): void {
    for (const check of [...this.waiters]) check()
  }

  /** `here`: of this instance alone. */
  standing({ generation, state }: Goal, keys: readonly string[], here = false): Standing {
    const { progress, lineage, ownName } = this.parts
    const lagging = [...progress.lagging(generation)]
    const busy: Record<string, number> = {}
    const busyAt: Standing['busyAt'][number][] = []
    const add = (nameOf: () => string, counts: Readonly<Record<string, number>>): void => {
      const those = keys.filter((key) => (counts[key] ?? 0) > 0)
      for (const key of those) busy[key] = (busy[key] ?? 0) + (counts[key] ?? 0)
      if (those.length > 0) busyAt.push({ instance: nameOf(), keys: those })
    }
    add(() => ownName, progress.busy())
    for (const member of here ? [] : this.live()) {
      const { applied, busy: counts, cannotFollow = {} } = member.record
      // One that is ahead of what we know has it in force all the same; we shall know in a moment.
      const hasIt = applied !== null && applied.revision >= state.revision && lineage.has(applied)
      // By an old definition it may go on with servers that are to come to rest.
      const serves = Object.values(cannotFollow).flatMap((each) => each.serves)
      const stays = serves.some((key) => keys.includes(key))
      if (!hasIt || stays) lagging.push(this.nameOf(member))
      add(() => this.nameOf(member), counts)
    }
    if (!here) lagging.push(...this.idsOfUnreadable(true))
    return { applied: lagging.length === 0, lagging, busy, busyAt, leftOut: here ? [] : this.leftOut() }
  }

  /** Instances, by name, that have gone without taking leave, and are neither back nor struck off. */
  leftOut(): readonly string[] {
    const gone = this.parts.others().filter(({ live }) => !live)
    return [...gone.map((member) => this.nameOf(member)), ...this.idsOfUnreadable(false)].sort()
  }

  /** Other instances, by name, that live and cannot read the definition of one of these services. */
  cannotFollow(services: readonly string[]): readonly string[] {
    return this.live()
      .filter(({ record: { cannotFollow = {} } }) => services.some((name) => Object.hasOwn(cannotFollow, name)))
      .map((member) => this.nameOf(member))
      .sort()
  }

  /**
   * Resolves once `goal` is in force everywhere and nothing is under way at `keys`, or after `timeoutMs`, with how things
   * stand then. An instance that is gone is not waited for, but named; once `isLost`, nothing is waited for.
   */
  wait(
    goal: Goal,
    keys: readonly string[],
    timeoutMs: number,
    here = false,
    isLost: () => boolean = () => false,
  ): Promise<Waited> {
    const cutBefore = this.cuts(keys, here)
    return new Promise((resolve) => {
      const end = (standing: Standing): void => {
        clearTimeout(timer)
        this.waiters.delete(check)
        const cuts = [...this.cuts(keys, here)].map(([id, count]) => Math.max(0, count - (cutBefore.get(id) ?? 0)))
        const cut = cuts.reduce((sum, count) => sum + count, 0)
        resolve({ ...standing, cut })
      }
      const check = (): void => {
        const standing = this.standing(goal, keys, here)
        if ((standing.applied && standing.busyAt.length === 0) || isLost()) end(standing)
      }
      const timer = setTimeout(() => end(this.standing(goal, keys, here)), timeoutMs)
      this.waiters.add(check)
      check()
    })
  }

  /** An instance as people shall know it: by its name, and by its address where that is not enough. */
  nameOf({ record: { id, name, address }, live }: Member): string {
    // The name of one that lives does not change because another one of that name is gone.
    const others = this.parts.others().filter((other) => other.record.id !== id && (other.live || !live))
    const names = [this.parts.ownName, ...others.map(({ record }) => record.name)]
    return names.includes(name) ? `${name} (${address || id})` : name
  }

  private idsOfUnreadable(live: boolean): readonly string[] {
    return this.parts
      .unreadable()
      .filter((each) => each.live === live)
      .map(({ id }) => id)
  }

  private live(): readonly Member[] {
    return this.parts.others().filter(({ live }) => live)
  }

  /** Requests cut so far at `keys`, by instance. */
  private cuts(keys: readonly string[], here: boolean): ReadonlyMap<string, number> {
    const sum = (counts: Readonly<Record<string, number>>): number =>
      keys.reduce((total, key) => total + (counts[key] ?? 0), 0)
    const remote = here ? [] : this.parts.others().map(({ record: { id, cut } }): [string, number] => [id, sum(cut)])
    return new Map([['', sum(this.parts.progress.cut())], ...remote])
  }
}
