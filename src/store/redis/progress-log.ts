import { isCount, isFields } from '../../model/shape.ts'
import type { JsonObject } from '../../model/state.ts'
import type { KeptProgress } from '../register.ts'
import { parseJson } from '../shape.ts'

/** Number of requests cut so far, by target key. */
type Counts = Readonly<Record<string, number>>

/** What is known of the requests cut at an instance. */
interface Cuts {
  /** Number of the change from which they are known. */
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
  readonly cut: Counts
  readonly standing: JsonObject
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

  forget(id: string): void {
    this.#entries.delete(id)
    this.#cuts.delete(id)
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
    for (const [id, entry] of listed) this.#apply(id, entry, '?')
    if (summary !== '') this.#summarize(parseJson(summary), ids)
    for (let i = 0; i + 2 < changes.length; i += 3)
      this.#apply(changes[i] as string, changes[i + 1] as string, changes[i + 2] as string)
    this.#number = Number(position)
    this.#isBehind = this.#isBehind && this.#number < Number(last)
  }

  /**
   * Takes a change that was sent to all instances. `change`: "EPOCH NUMBER"; empty = it was outdated when it was sent. Returns whether it is newer than what is known. One of
   * an epoch that is not known yet is not taken: the next reply has it.
   */
  hear(id: string, change: string, progress: Omit<ProgressChange, 'number'>, before: string): boolean {
    const space = change.lastIndexOf(' ')
    if (space < 0) return false
    if (change.slice(0, space) !== this.#epoch) {
      this.#isBehind = true
      return false
    }
    return this.#add(id, { ...progress, number: Number(change.slice(space + 1)) }, before)
  }

  #apply(id: string, entry: string, before: string): void {
    const change = readEntry(entry)
    if (change !== null) this.#add(id, change, before)
  }

  #add(id: string, change: ProgressChange, before: string): boolean {
    this.#count(id, change, before)
    const known = this.#entries.get(id)
    if (known !== undefined && known.number >= change.number) return false
    const { number, boot, sequence, standing } = change
    this.#entries.set(id, { number, boot, sequence, standing })
    return true
  }

  /** A summary leaves out the requests cut: they are counted from changes alone, each with what was cut before it. */
  #count(id: string, { number, boot, cut }: ProgressChange, before: string): void {
    const known = this.#cuts.get(id)
    if (known !== undefined && known.number >= number) return
    const base = this.#baseOf(id, boot, cut, before)
    const seen = { ...known?.seen }
    for (const [key, count] of Object.entries(cut)) {
      const more = base === null ? 0 : count - (base[key] ?? 0)
      if (more > 0) seen[key] = (seen[key] ?? 0) + more
    }
    const isCurrent = number >= (this.#entries.get(id)?.number ?? 0)
    this.#cuts.set(id, { number, boot, said: cut, seen, isCurrent })
  }

  /** The requests cut before a change; null = unknown. */
  #baseOf(id: string, boot: string, cut: Counts, before: string): Counts | null {
    if (before === '') return cut
    if (before !== '?') return readCounts(before)
    const known = this.#cuts.get(id)
    return known?.boot === boot && known.isCurrent ? known.said : null
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
    cut: readCounts(cut),
    standing: value as JsonObject,
  }
}

function readCounts(text: string): Counts {
  const value = parseJson(text)
  if (!isFields(value)) return {}
  return Object.fromEntries(Object.entries(value).filter((entry): entry is [string, number] => isCount(entry[1])))
}
