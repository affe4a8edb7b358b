import { constants } from 'node:fs'
import { type FileHandle, open, readFile, rename, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Change } from '../../model/state.ts'
import { damaged } from '../damage.ts'
import { checksum, syncDirectory } from '../files.ts'
import { isChange, parseJson } from '../shape.ts'
import { OutcomeUnknown, StoreUnavailable } from '../store.ts'

const NEWLINE = 0x0a
/** Length of the prefix of each line: eight digits of CRC-32 and a blank. */
const PREFIX = 9

function encode(change: Change): Buffer {
  // The next start would refuse a malformed change, so none may get into the file.
  if (!isChange(change)) throw new TypeError('The change is malformed')
  const json = JSON.stringify(change)
  return Buffer.from(`${checksum(json)} ${json}\n`)
}

/** Whether the checksum of a line is right. `line`: without its newline. */
function isIntact(line: Buffer): boolean {
  return line.toString('latin1', 0, PREFIX) === `${checksum(line.subarray(PREFIX))} `
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Parses the changes of a log up to `end`. Throws StoreUnusable if a line is damaged or a revision is missing. */
function parse(file: string, data: Buffer, end: number, after: number): Change[] {
  const changes: Change[] = []
  const origin = after === 0 ? 'the configuration' : `revision ${after}, without the changes in this file`
  const unusable = (problem: string) => damaged(`${file}, line ${changes.length + 1}`, problem, [file], origin)
  for (let start = 0; start < end; ) {
    const newline = data.indexOf(NEWLINE, start)
    const line = data.subarray(start, newline)
    if (!isIntact(line)) throw unusable('the checksum is wrong: the line was damaged or edited')
    const change = parseJson(line.toString('utf8', PREFIX))
    if (!isChange(change)) throw unusable('this is not a change')
    const previous = changes.at(-1)?.revision
    if (previous === undefined && change.revision > after + 1) {
      const snapshot = after === 0 ? 'there is no state.json with those before' : `state.json ends at ${after}`
      throw unusable(`the log begins at revision ${change.revision}, but ${snapshot}`)
    }
    if (previous !== undefined && change.revision !== previous + 1) {
      throw unusable(`revision ${change.revision} follows ${previous}`)
    }
    changes.push(change)
    start = newline + 1
  }
  // An unfinished line lacks its end. If all but the last byte is intact, the line was finished, and that byte damaged.
  if (isIntact(data.subarray(end, -1))) throw unusable('the newline at its end was damaged')
  return changes
}

/**
 * The log of changes since the snapshot, one per line: `CRC32 {"revision":…}`.
 *
 * A line is written sequentially and its newline comes last, so a process that dies leaves a prefix: a last line
 * without a newline was never acknowledged, and is dropped. A whole line with a wrong checksum is damage, even the last
 * one. (A file system that writes the end of a line before its beginning could, in a power cut, leave such a line of a
 * change that was never acknowledged. That looks the same as a damaged change, so the operator decides.)
 */
export class Journal {
  readonly #file: string
  readonly #handle: FileHandle
  /** Length of the intact part of the file, in bytes. */
  #bytes = 0
  #changes = 0
  /** The failure after which nothing more may be written; undefined = none. */
  #broken: string | undefined

  private constructor(file: string, handle: FileHandle) {
    this.#file = file
    this.#handle = handle
  }

  /**
   * Opens or creates `file`, and returns its changes after revision `after`, that of the snapshot. Lines up to that
   * revision are left over from an interrupted compaction. `torn`: bytes of an unfinished last line, now cut off.
   * Throws StoreUnusable if a line is damaged or a revision is missing.
   */
  static async open(file: string, after: number): Promise<{ journal: Journal; changes: Change[]; torn: number }> {
    const handle = await open(file, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      await syncDirectory(dirname(file))
      const data = await handle.readFile()
      const journal = new Journal(file, handle)
      const end = data.lastIndexOf(NEWLINE) + 1
      const all = parse(file, data, end, after)
      const changes = all.filter((change) => change.revision > after)
      journal.#bytes = changes.length > 0 ? end : 0
      journal.#changes = changes.length > 0 ? all.length : 0
      // The previous process may have been killed between writing the last line and syncing it: sync it now.
      if (data.length > 0) await journal.#cut()
      return { journal, changes, torn: data.length - end }
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Reads the changes in `file` after revision `after`; none if there is no file. Throws as `open` does. */
  static async read(file: string, after: number): Promise<Change[]> {
    const data = await readFile(file).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0)
      throw error
    })
    return parse(file, data, data.lastIndexOf(NEWLINE) + 1, after).filter(({ revision }) => revision > after)
  }

  /** Replaces `file` by an empty log, durably. Throws errors of the file system. */
  static async create(file: string): Promise<Journal> {
    const temporary = `${file}.tmp`
    const handle = await open(temporary, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600)
    try {
      await handle.sync()
      await rename(temporary, file)
      await syncDirectory(dirname(file))
      return new Journal(file, handle)
    } catch (error) {
      await handle.close()
      throw error
    }
  }

  /** Whether the path still leads to the open file, unchanged from outside, and no write has failed. */
  async isIntact(): Promise<boolean> {
    if (this.#broken !== undefined) return false
    const held = await this.#handle.stat()
    const there = await stat(this.#file).catch(() => null)
    return there !== null && there.ino === held.ino && there.dev === held.dev && there.size === this.#bytes
  }

  /** Whether a write has failed in a way that forbids further writes. */
  get isBroken(): boolean {
    return this.#broken !== undefined
  }

  get bytes(): number {
    return this.#bytes
  }

  get changes(): number {
    return this.#changes
  }

  /**
   * Resolves once `change` is on the disk. Throws an error of the file system if nothing was changed, OutcomeUnknown if
   * the change may be on the disk or not, and StoreUnavailable if an earlier failure forbids further writes.
   */
  async append(change: Change): Promise<void> {
    if (this.#broken !== undefined) throw new StoreUnavailable(this.#broken)
    const line = encode(change)
    try {
      await this.#write(line)
    } catch (error) {
      await this.#takeBack(error)
      throw this.#broken === undefined ? error : new OutcomeUnknown(this.#broken)
    }
    try {
      await this.#handle.datasync()
    } catch (error) {
      // The kernel may have dropped pages that it could not write, and report success at the next sync (fsync(2)).
      this.#break(error)
      await this.#takeBack(error)
      throw new OutcomeUnknown(this.#broken)
    }
    this.#bytes += line.length
    this.#changes += 1
  }

  /** Empties the log, durably. Throws errors of the file system. */
  async clear(): Promise<void> {
    this.#bytes = 0
    this.#changes = 0
    try {
      await this.#cut()
    } catch (error) {
      this.#break(error)
      throw error
    }
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  async #write(line: Buffer): Promise<void> {
    for (let written = 0; written < line.length; ) {
      const rest = line.length - written
      written += (await this.#handle.write(line, written, rest, this.#bytes + written)).bytesWritten
    }
  }

  async #cut(): Promise<void> {
    await this.#handle.truncate(this.#bytes)
    await this.#handle.sync()
  }

  async #takeBack(cause: unknown): Promise<void> {
    try {
      await this.#cut()
    } catch {
      this.#break(cause)
    }
  }

  #break(cause: unknown): void {
    this.#broken = `${this.#file} failed (${messageOf(cause)}), and may or may not hold the change that was being written`
  }
}
