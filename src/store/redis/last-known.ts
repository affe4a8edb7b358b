import { rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Documents, HistoryEntry } from '../../model/state.ts'
import { makeDirectory } from '../files.ts'
import { readSnapshot, type Snapshot, writeSnapshot } from '../snapshot.ts'
import { StoreUnusable } from '../store.ts'

/** Writing takes at most this share of the time: a large state is written less often. */
const BUSY_SHARE = 0.05

/**
 * The state as this machine knew it last, in a file: what an instance starts from while Redis is away. Instances that
 * share a folder share the file; it is the same state.
 */
export class LastKnown {
  readonly #file: string
  readonly #directory: string
  readonly #current: () => Snapshot
  readonly #warn: (message: string) => void
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #pauseMs = 0
  #isDirty = false
  #hasFailed = false
  #isClosed = false

  /** `current`: the state at the moment of writing. */
  constructor(path: string, prefix: string, current: () => Snapshot, warn: (message: string) => void) {
    this.#directory = resolve(path)
    this.#file = join(this.#directory, `last-known-${encodeURIComponent(prefix)}.json`)
    this.#current = current
    this.#warn = warn
  }

  /** What was written last; null = nothing, or nothing that makes sense. Throws StoreUnusable when the folder cannot be used. */
  async read(): Promise<{ documents: Documents; history: readonly HistoryEntry[] } | null> {
    try {
      await makeDirectory(this.#directory)
    } catch (error) {
      throw new StoreUnusable(
        `${this.#directory} cannot be used for the last known state: ${(error as Error).message}. ` +
          'Put that right, or set store.path to a folder that Cutover may read and write',
      )
    }
    try {
      return (await readSnapshot(this.#file)) ?? null
    } catch (error) {
      this.#warn(`the last known state is of no use: ${(error as Error).message}`)
      return null
    }
  }

  /** Something has changed: it is written before long. */
  renew(): void {
    this.#isDirty = true
    this.#timer ??= setTimeout(() => {
      this.#writing = this.#write().then(() => {
        this.#timer = undefined
        if (this.#isDirty && !this.#isClosed) this.renew()
      })
    }, this.#pauseMs)
  }

  /** Writes what is not written yet. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#writing
    await this.#write()
  }

  async #write(): Promise<void> {
    if (!this.#isDirty) return
    this.#isDirty = false
    const since = performance.now()
    const temporary = `${this.#file}.${process.pid}.tmp`
    try {
      await writeSnapshot(this.#file, this.#current(), temporary)
      this.#hasFailed = false
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      if (!this.#hasFailed) this.#warn(`the last known state cannot be written: ${(error as Error).message}`)
      this.#hasFailed = true
    }
    this.#pauseMs = (performance.now() - since) / BUSY_SHARE
  }
}
