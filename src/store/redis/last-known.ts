import { access, rm } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Documents, HistoryEntry } from '../../model/state.ts'
import { explainDisk, isDiskError } from '../disk-errors.ts'
import { makeDirectory } from '../files.ts'
import { FORMAT_WITHOUT_COLLECTIONS, readSnapshot, writeSnapshot } from '../snapshot.ts'
import { type Snapshot, StoreUnusable } from '../store.ts'
import type { Tell } from '../tell.ts'
import type { Troubles } from '../troubles.ts'

/** Max share of the time spent on writing: a large state is written less often. */
const BUSY_SHARE = 0.05

interface LastKnownOptions {
  /** Folder of the file. */
  readonly path: string
  readonly prefix: string
  /** Returns the state to write. */
  readonly current: () => Snapshot
  readonly tell: Tell
  readonly troubles: Troubles
  /** Pause after a failed write, and interval of checks whether the file still exists, ms. */
  readonly checkMs: number
}

/**
 * The last known state in a file of this machine, from which an instance starts while Redis is away. Instances that
 * share a folder share the file, since they share the state.
 */
export class LastKnown {
  readonly #file: string
  readonly #directory: string
  readonly #current: () => Snapshot
  readonly #tell: Tell
  readonly #troubles: Troubles
  readonly #checkMs: number
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #pauseMs = 0
  #isDirty = false
  #isClosed = false

  constructor({ path, prefix, current, tell, troubles, checkMs }: LastKnownOptions) {
    this.#directory = resolve(path)
    this.#file = join(this.#directory, `last-known-${encodeURIComponent(prefix)}.json`)
    this.#current = current
    this.#tell = tell
    this.#checkMs = checkMs
    this.#troubles = troubles
  }

  /** Reads the file; null = there is none, or it is damaged. Throws StoreUnusable if the folder cannot be used. */
  async read(): Promise<{ documents: Documents; history: readonly HistoryEntry[] } | null> {
    try {
      await makeDirectory(this.#directory)
    } catch (error) {
      throw new StoreUnusable(
        `${this.#directory} cannot be used for the last known state: ${(error as Error).message}. ` +
          'Correct that, or set store.path to a folder that Cutover may read and write',
      )
    }
    try {
      return (await readSnapshot(this.#file)) ?? null
    } catch (error) {
      this.#tell('warn', `the last known state cannot be used: ${(error as Error).message}`)
      return null
    }
  }

  /** Writes the file again whenever it is gone. Call once. */
  watch(): void {
    setTimeout(async () => {
      if (this.#isClosed) return
      const isThere = await access(this.#file).then(
        () => true,
        () => false,
      )
      if (!isThere) this.renew()
      this.watch()
    }, this.#checkMs).unref()
  }

  /** Schedules a write of the file, after a change of the state. */
  renew(): void {
    this.#isDirty = true
    this.#timer ??= setTimeout(() => {
      this.#writing = this.#write().then(() => {
        this.#timer = undefined
        if (this.#isDirty && !this.#isClosed) this.renew()
      })
    }, this.#pauseMs)
  }

  /** Writes pending changes, and stops. */
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
      await makeDirectory(this.#directory)
      // An older version may read the file: the collections that it drops are still in Redis.
      await writeSnapshot(this.#file, { ...this.#current(), format: FORMAT_WITHOUT_COLLECTIONS }, temporary)
      this.#troubles.clear('lastKnown')
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      const problem = isDiskError(error) ? explainDisk(error, this.#directory) : (error as Error).message
      this.#troubles.set('lastKnown', `${problem}. Without that file an instance cannot start while Redis is away`)
      this.#isDirty = true
      this.#pauseMs = this.#checkMs
      return
    }
    this.#pauseMs = (performance.now() - since) / BUSY_SHARE
  }
}
