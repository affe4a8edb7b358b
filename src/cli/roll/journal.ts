import { randomBytes } from 'node:crypto'
import type { HistoryEntry } from '../../client/create-client.ts'

const LINE = /^roll ([0-9a-f]{8}) of ([^\s:]+): (\S+?)( done| failed)?(?:; |$)/

/** A roll that has begun, as the history has it. */
export interface EarlierRoll {
  readonly id: string
  /** Servers that are complete. */
  readonly done: ReadonlySet<string>
  /** Servers that were taken out and are not complete. */
  readonly open: ReadonlySet<string>
}

/**
 * The notes of a roll, kept as the reasons of its changes in the history: whoever resumes it, and from wherever, knows
 * which servers are complete.
 */
export class Journal {
  readonly id: string
  private readonly pool: string
  private readonly note: string

  /** `id`: of the roll that is resumed; null = a new one. `reason`: added to each note. */
  constructor(pool: string, reason: string | undefined, id: string | null = null) {
    this.id = id ?? randomBytes(4).toString('hex')
    this.pool = pool
    this.note = reason === undefined ? '' : `; ${reason}`
  }

  /** The reason of a change to a server. */
  reason(server: string, is: 'begun' | 'done' | 'failed'): string {
    return `roll ${this.id} of ${this.pool}: ${server}${is === 'begun' ? '' : ` ${is}`}${this.note}`
  }
}

/** The last roll of a pool; null = the history has none. `history`: newest first. */
export function lastRoll(history: readonly Pick<HistoryEntry, 'reason'>[], pool: string): EarlierRoll | null {
  const notes = history.flatMap(({ reason }) => {
    const [, id, of, server = '', is] = LINE.exec(reason ?? '') ?? []
    return id !== undefined && of === pool ? [{ id, server, isDone: is === ' done' }] : []
  })
  const id = notes[0]?.id
  if (id === undefined) return null
  const newest = new Map<string, boolean>()
  for (const note of notes) if (note.id === id && !newest.has(note.server)) newest.set(note.server, note.isDone)
  const named = (isDone: boolean) => new Set([...newest].filter(([, is]) => is === isDone).map(([server]) => server))
  return { id, done: named(true), open: named(false) }
}
