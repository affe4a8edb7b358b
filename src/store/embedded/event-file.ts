import { type FileHandle, open, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { isFields } from '../../model/shape.ts'
import { NO_ENTRY } from '../entry-ids.ts'
import { checksum } from '../files.ts'
import type { LoggedEvent, OpenFact } from '../kept-events.ts'
import { parseJson } from '../shape.ts'

const FORMAT = 1
/** Length of the prefix of each line: eight digits of CRC-32 and a blank. */
const PREFIX = 9

/** The first line of the file: what is known before its events. */
interface Head {
  readonly format: number
  /** Id of the event before the first one in the file. */
  readonly before: string
  /** Revision whose changes, and those before, are not in the file. */
  readonly revision: number
  readonly open: Readonly<Record<string, OpenFact>>
  readonly cursors: Readonly<Record<string, string>>
}

/** What the file holds. */
export interface EventFileContents {
  readonly before: string
  readonly revision: number
  readonly open: ReadonlyMap<string, OpenFact>
  readonly cursors: ReadonlyMap<string, string>
  readonly events: readonly LoggedEvent[]
}

/** The position of a shared reader, as a line of the file. */
interface CursorLine {
  readonly cursor: string
  readonly id: string
}

type Line = readonly LoggedEvent[] | CursorLine

/**
 * The log of events in a file: a line for what was before, then one for each batch of events, which a process that is
 * killed leaves there as a whole or not at all. It is not synced: a power cut may take the newest events.
 */
export class EventFile {
  readonly #path: string
  readonly #handle: FileHandle
  /** Events and positions in the file. */
  lines: number
  #bytes: number

  private constructor(path: string, handle: FileHandle, lines: number, bytes: number) {
    this.#path = path
    this.#handle = handle
    this.lines = lines
    this.#bytes = bytes
  }

  /** Reads a file up to its first line that is damaged or unfinished; null = there is none, or nothing readable. */
  static async read(path: string): Promise<EventFileContents | null> {
    const data = await readFile(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return Buffer.alloc(0)
      throw error
    })
    const [head, ...lines] = intactLines(data)
    if (!isHead(head)) return null
    const cursors = new Map(Object.entries(head.cursors))
    const events: LoggedEvent[] = []
    for (const line of lines as Line[]) {
      if ('cursor' in line) cursors.set(line.cursor, line.id)
      else events.push(...line)
    }
    const { before, revision } = head
    return { before, revision, open: new Map(Object.entries(head.open)), cursors, events }
  }

  /** Replaces the file. Throws errors of the file system. */
  static async create(path: string, { before, revision, open: facts, cursors, events }: EventFileContents) {
    const head: Head = {
      format: FORMAT,
      before,
      revision,
      open: Object.fromEntries(facts),
      cursors: Object.fromEntries(cursors),
    }
    const text = [head, ...(events.length === 0 ? [] : [events])].map(encode).join('')
    const temporary = `${path}.tmp`
    await writeFile(temporary, text, { mode: 0o600 })
    await rename(temporary, path)
    return new EventFile(path, await open(path, 'r+'), events.length, Buffer.byteLength(text))
  }

  /** Whether the path still leads to the open file, unchanged from outside. */
  async isIntact(): Promise<boolean> {
    const there = await stat(this.#path).catch(() => null)
    return there !== null && there.ino === (await this.#handle.stat()).ino && there.size === this.#bytes
  }

  /** Adds lines. Throws errors of the file system; then the file must be replaced. */
  async append(lines: readonly Line[]): Promise<void> {
    const data = Buffer.from(lines.map(encode).join(''))
    for (let written = 0; written < data.length; ) {
      const { bytesWritten } = await this.#handle.write(data, written, data.length - written, this.#bytes + written)
      written += bytesWritten
    }
    this.#bytes += data.length
    this.lines += lines.reduce((sum, line) => sum + ('cursor' in line ? 1 : line.length), 0)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}

function encode(line: Head | Line): string {
  const json = JSON.stringify(line)
  return `${checksum(json)} ${json}\n`
}

function intactLines(data: Buffer): unknown[] {
  const lines: unknown[] = []
  for (let start = 0, end = data.indexOf(0x0a); end !== -1; start = end + 1, end = data.indexOf(0x0a, start)) {
    const line = data.subarray(start, end)
    if (line.toString('latin1', 0, PREFIX) !== `${checksum(line.subarray(PREFIX))} `) break
    lines.push(parseJson(line.toString('utf8', PREFIX)))
  }
  return lines
}

function isHead(value: unknown): value is Head {
  return isFields(value) && value.format === FORMAT && isFields(value.open) && isFields(value.cursors)
}

/** The contents of a log that begins after the changes of `revision`. */
export function emptyContents(revision: number): EventFileContents {
  return { before: NO_ENTRY, revision, open: new Map(), cursors: new Map(), events: [] }
}
