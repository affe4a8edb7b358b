import type { StateName } from '../../model/state.ts'

const REMEMBERED = 1_000

/** The states that have led to the present one, as far as they have passed here. */
export class Lineage {
  /** Heads by revision, in ascending order. */
  private readonly heads = new Map<number, string>()
  private last = -1

  /** Goes on to a state; one that does not follow on the last has never had those after it. */
  add({ revision, head }: StateName): void {
    // Mostly there is none.
    if (revision <= this.last) {
      for (const later of [...this.heads.keys()].filter((known) => known >= revision)) this.heads.delete(later)
    }
    this.last = revision
    this.heads.set(revision, head)
    const [oldest] = this.heads.keys()
    if (this.heads.size > REMEMBERED && oldest !== undefined) this.heads.delete(oldest)
  }

  /** Whether the present state has come out of that one, or is it. False also for what was before we looked. */
  has({ revision, head }: StateName): boolean {
    return this.heads.get(revision) === head
  }

  /** What the state of a revision is called; null = it has not passed here. */
  nameOf(revision: number): StateName | null {
    const head = this.heads.get(revision)
    return head === undefined ? null : { revision, head }
  }
}
