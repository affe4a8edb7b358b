import { weightShare } from '../../../model/slow-start.ts'
import type { Member } from './candidates.ts'

/** Gives servers that have begun to take requests their weight little by little. */
export class SlowStart {
  private readonly durationMs: number
  private readonly members: readonly Member[]
  /** Weights of the members without slow start. */
  private readonly weights: readonly number[]
  /** When the last member has its whole weight, monotonic ms. */
  private endsAt = Number.NEGATIVE_INFINITY
  private isOver = true

  constructor(members: readonly Member[], durationMs: number) {
    this.members = members
    this.weights = members.map(({ weight }) => weight)
    this.durationMs = durationMs
  }

  /** Must be called after changes of the members' health. */
  restart(): void {
    this.endsAt = Math.max(...this.members.map(({ target }) => target.takesSince)) + this.durationMs
    this.isOver = false
  }

  /** Sets the weights of the members. `now`: monotonic ms. */
  update(now: number): void {
    if (this.isOver) return
    this.isOver = now >= this.endsAt
    for (let i = 0; i < this.members.length; i++) {
      const member = this.members[i] as Member
      member.weight = (this.weights[i] as number) * weightShare(now - member.target.takesSince, this.durationMs)
    }
  }
}
