import type { StateName } from '../../model/state.ts'

const MAX_REMEMBERED = 1_000

/** The chain of states that led to the current one, as far as this instance has received them. */
export class Lineage {
  /** Heads by revision, in ascending order. */
  private readonly heads = new Map<number, string>()
  private last = -1

  /**
   * Adds the new current state. If its revision is not higher than the last one, the replaced later states are removed.
   */
  add({ revision, head }: StateName): void {
    // Rare: the store has lost changes.
    if (revision <= this.last) {
      for (const later of [...this.heads.keys()].filter((known) => known >= revision)) this.heads.delete(later)
    }
    this.last = revision
    this.heads.set(revision, head)
    const [oldest] = this.heads.keys()
    if (this.heads.size > MAX_REMEMBERED && oldest !== undefined) this.heads.delete(oldest)
  }

  /** Whether a state is the current one or an ancestor of it. Also false for states before this instance started. */
  has({ revision, head }: StateName): boolean {
    return this.heads.get(revision) === head
  }

  /** Returns the name of the state at a revision; null = this instance has not received it. */
  nameOf(revision: number): StateName | null {
    const head = this.heads.get(revision)
    return head === undefined ? null : { revision, head }
  }
}
