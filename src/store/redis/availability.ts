import type { StoreStatus } from '../store.ts'
import { sparing, type Tell } from '../tell.ts'

/** Max log lines of each kind per minute, for a connection that comes and goes. */
const MAX_LINES = 3

/** Whether the store can be reached. Logs changes of that, not every call that fails. */
export class Availability {
  status: StoreStatus = { up: false, since: new Date(), detail: 'not connected yet' }
  readonly #tell: Tell
  readonly #listeners = new Set<(status: StoreStatus) => void>()
  #isTold = false

  constructor(tell: Tell) {
    this.#tell = sparing(tell, MAX_LINES)
  }

  /** Starts to report changes. The state found at the start is for the caller to report. */
  begin(): void {
    this.#isTold = true
  }

  onChange(listener: (status: StoreStatus) => void): void {
    this.#listeners.add(listener)
  }

  /** Marks the store as away. `detail`: the cause, without addresses or passwords. */
  away(detail: string): void {
    const was = this.status
    if (!was.up && was.detail === detail) return
    this.status = { up: false, since: was.up ? new Date() : was.since, detail }
    if (!was.up) return
    this.#tell('error', `the store is away: ${detail}. Traffic continues as last decided; nothing can be changed`)
    this.#changed()
  }

  /** Marks the store as reachable, with the known state up to date at this revision. */
  back(revision: number): void {
    const was = this.status
    if (was.up) return
    this.status = { up: true }
    if (!this.#isTold) return
    const seconds = Math.round((Date.now() - was.since.getTime()) / 100) / 10
    this.#tell('info', `the store is back: revision ${revision}, after ${seconds} s`)
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener(this.status)
  }
}
