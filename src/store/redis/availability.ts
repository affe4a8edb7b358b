import type { StoreStatus } from '../store.ts'
import { sparing, type Tell } from '../tell.ts'

/** A connection that comes and goes writes no more lines than this a minute, of each kind. */
const MAX_LINES = 3

/** Whether the store can be reached; says so when that changes, and not again for every call that fails by it. */
export class Availability {
  status: StoreStatus = { up: false, since: new Date(), detail: 'not connected yet' }
  readonly #tell: Tell
  readonly #listeners = new Set<(status: StoreStatus) => void>()
  #isTold = false

  constructor(tell: Tell) {
    this.#tell = sparing(tell, MAX_LINES)
  }

  /** From now on it is told when it goes and comes; how it was found at the start is for the starter to say. */
  begin(): void {
    this.#isTold = true
  }

  onChange(listener: (status: StoreStatus) => void): void {
    this.#listeners.add(listener)
  }

  /** `detail`: why, without addresses or passwords. */
  away(detail: string): void {
    const was = this.status
    if (!was.up && was.detail === detail) return
    this.status = { up: false, since: was.up ? new Date() : was.since, detail }
    if (!was.up) return
    this.#tell('error', `the store is away: ${detail}. Traffic goes on as decided; nothing can be changed`)
    this.#changed()
  }

  /** It is there, and what is known here is up to date, at this revision. */
  back(revision: number): void {
    const was = this.status
    if (was.up) return
    this.status = { up: true }
    if (!this.#isTold) return
    const seconds = Math.round((Date.now() - was.since.getTime()) / 100) / 10
    this.#tell('info', `the store is there: revision ${revision}, after ${seconds} s`)
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener(this.status)
  }
}
