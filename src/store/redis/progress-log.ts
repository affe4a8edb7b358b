import { isCount, isFields } from '../../model/shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { KeptProgress } from '../register.ts'
import { parseJson } from '../shape.ts'

/** Number of requests cut so far, by target key. */
type Counts = Readonly<Record<string, number>>

/** What is known of the requests cut at an instance. */
interface Cuts {
  /** Number of the newest change from which they are known. */
  readonly number: number
  readonly boot: string
  /** As its process says. */
  readonly said: Counts
  /** Requests that were certainly cut since this reader first heard of the instance, over all of its processes. */
  readonly seen: Counts
  /** No summary was read since, which leaves out what was cut meanwhile. */
  readonly isCurrent: boolean
}

interface Entry {
  /** Number of the change, or of the summary, from which the standing is known. */
  readonly number: number
  readonly boot: string
  readonly sequence: number
  readonly standing: JsonObject
}

/** A change of the progress of an instance, as progress.lua writes it. */
interface ProgressChange {
  readonly number: number
  readonly boot: string
  readonly sequence: number
  /** null = the same as before. */
  readonly cut: Counts | null
  readonly standing: JsonObject
}

interface Told {
  readonly id: string
  readonly change: ProgressChange
  /** Requests cut before the change, as JSON; empty = the same; `?` = unknown. */
  readonly before: string
}

/**
 * The progress of the instances as far as this one has read the log of it (see progress.lua). All that it learns has a number,
 * so that nothing is undone by what was said before that, whatever the order in which it arrives.
 */
export class ProgressLog {
  /** Empty = nothing was read yet. */
  #epoch = ''
  /** Number up to which all changes are known. */
  #number = 0
  /** Whether there were changes that the last reply has left for the next one. */
  #isBehind = false
  readonly #entries = new Map<string, Entry>()
  readonly #cuts = new Map<string, Cuts>()
  /** The last change of each instance that was read, in whatever epoch. */
  readonly #last = new Map<string, Pick<ProgressChange, 'boot' | 'sequence'>>()

  /** Up to where the log was read, for beat.lua. */
  get position(): string {
    return `${this.#epoch} ${this.#number}`
  }

  /** Whether changes that were sent to all instances may be among those that this one has not taken. */
  get needsToldChanges(): boolean {
    return this.#isBehind
  }

  /** The progress of an instance; null = it is not known since changes may last have been lost. */
  of(id: string): KeptProgress | null {
    const entry = this.#entries.get(id)
    if (entry === undefined) return null
    const { boot, sequence, standing } = entry
    return { boot, sequence, standing, cut: this.#cuts.get(id)?.seen ?? {} }
  }

  /** Forgets all instances but these. */
  keep(ids: ReadonlySet<string>): void {
    for (const known of [this.#entries, this.#cuts, this.#last])
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
  }

  /**
   * Takes what beat.lua says of progress. `news`: see Progress:news there; `listed`: entries of instances, by id; `ids`: those that
   * keep their progress in the log, this one left out.
   */
  take(news: readonly string[], listed: ReadonlyMap<string, string>, ids: Iterable<string>): void {
    const [epoch = '', position, last, summary = '', ...changes] = news
    if (epoch !== this.#epoch || Number(last) < this.#number) {
      this.#epoch = epoch
      this.#number = 0
      this.#entries.clear()
      for (const [id, cuts] of this.#cuts) this.#cuts.set(id, { ...cuts, number: 0 })
      this.#isBehind = true
    }
    const ofRecords = [...listed].flatMap(([id, entry]) => readTold(id, entry, '?'))
    const ofLog: Told[] = []
    for (let i = 0; i + 2 < changes.length; i += 3) {
      const [id, entry, before] = changes.slice(i, i + 3) as [string, string, string]
      ofLog.push(...readTold(id, entry, before))
    }
    for (const { id, change } of ofRecords) this.#set(id, change)
    if (summary !== '') this.#summarize(parseJson(summary), ids)
    for (const { id, change } of ofLog) this.#set(id, change)
    // Those that tell what was cut before them come first: the others may be newer, and leave some of these out.
    const all = [...ofLog, ...ofRecords].toSorted((a, b) => Number(a.before === '?') - Number(b.before === '?'))
    for (const { id, change, before } of all) this.#count(id, change, before)
    this.#number = Number(position)
    this.#isBehind = this.#isBehind && this.#number < Number(last)
  }

  /**
   * Takes a change that was sent to all instances. `change`: "EPOCH NUMBER"; empty = it was outdated when it was sent.
   * Returns whether it is newer than what is known. One of an epoch that is not known yet is not taken: the next reply has it.
   */
  hear(id: string, change: string, progress: Omit<ProgressChange, 'number'>, before: string): boolean {
    const space = change.lastIndexOf(' ')
    if (space < 0) return false
    if (change.slice(0, space) !== this.#epoch) {
      this.#isBehind = true
      return false
    }
    const told = { ...progress, number: Number(change.slice(space + 1)) }
    this.#count(id, told, before)
    return this.#set(id, told)
  }

  /** Takes what a change says, but for the requests cut, unless it is older than what is known. */
  #set(id: string, change: ProgressChange): boolean {
    const known = this.#entries.get(id)
    const { number, boot, sequence, standing } = change
    // An older message may arrive in a new epoch, which does not know the newer one.
    const last = this.#last.get(id)
    if ((known !== undefined && known.number >= number) || (last?.boot === boot && last.sequence > sequence))
      return false
    this.#last.set(id, { boot, sequence })
    this.#entries.set(id, { number, boot, sequence, standing })
    return true
  }

  /**
   * Counts requests cut. Their number only grows while a process runs, so changes may arrive in any order. A summary leaves it
   * out: after one, a change counts only what was cut since the change before it.
   */
  #count(id: string, { number, boot, cut }: ProgressChange, before: string): void {
    if (cut === null) return
    const known = this.#cuts.get(id)
    const same = known?.boot === boot ? known : null
    if (known !== undefined && same === null && number <= known.number) return
    const base = known?.isCurrent ? (same?.said ?? {}) : baseOf(cut, before)
    const seen = { ...known?.seen }
    const said = { ...same?.said }
    for (const [key, count] of Object.entries(cut)) {
      const more = count - (base[key] ?? 0)
      if (more > 0) seen[key] = (seen[key] ?? 0) + more
      said[key] = Math.max(said[key] ?? 0, count)
    }
    const isCurrent = known?.isCurrent === true || number >= (this.#entries.get(id)?.number ?? 0)
    this.#cuts.set(id, { number: Math.max(number, known?.number ?? 0), boot, said, seen, isCurrent })
  }

  /** Takes a summary: what it says holds for all instances but some. */
  #summarize(summary: unknown, ids: Iterable<string>): void {
    if (!isFields(summary) || typeof summary.standing !== 'string') return
    const standing = parseJson(summary.standing)
    const number = Number(summary.number)
    const { but } = summary
    if (!isFields(standing) || !Number.isSafeInteger(number) || typeof but !== 'object' || but === null) return
    // Lua writes an empty list as an object.
    const others = new Set(Object.values(but))
    for (const id of ids) {
      const known = this.#entries.get(id)
      if (others.has(id) || (known !== undefined && known.number >= number)) continue
      const { boot = '', sequence = 0 } = known ?? {}
      this.#entries.set(id, { number, boot, sequence, standing: standing as JsonObject })
      const cuts = this.#cuts.get(id)
      if (cuts !== undefined && cuts.number < number) this.#cuts.set(id, { ...cuts, isCurrent: false })
    }
  }
}

/** The requests cut before a change, or all that were cut by then if that is unknown. */
function baseOf(cut: Counts, before: string): Counts {
  return before === '' || before === '?' ? cut : readCounts(before)
}

function readTold(id: string, entry: string, before: string): readonly Told[] {
  const change = readEntry(entry)
  return change === null ? [] : [{ id, change, before }]
}

/** Reads "NUMBER SEQUENCE BOOT\nCUT\nSTANDING"; null = it is none. */
function readEntry(text: string): ProgressChange | null {
  const [head = '', cut = '', standing = ''] = text.split('\n', 3)
  const [number, sequence, boot = ''] = head.split(' ')
  const value = parseJson(standing)
  if (!isFields(value)) return null
  return {
    number: Number(number),
    sequence: Number(sequence),
    boot,
    cut: cut === '' ? null : readCounts(cut),
    standing: value as JsonObject,
  }
}

function readCounts(text: string): Counts {
  const value = parseJson(text)
  if (!isFields(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => isCount(entry[1])))
}
