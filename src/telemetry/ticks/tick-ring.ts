import { Figures } from './figures.ts'
import { addTick, encodeTick } from './tick-bytes.ts'

interface Slot {
  /** Its first second. */
  readonly start: number
  /** Encoded counts; several if some came late. */
  readonly chunks: Uint8Array[]
  /** Counts of the newest slot, by row; null = it has ended, and they are encoded. */
  open: Map<number, Figures> | null
}

/** The counts of a number of past intervals of the same length; each new one takes the place of the oldest. */
export class TickRing {
  /** Length of an interval, s. */
  readonly seconds: number
  private readonly slots: (Slot | undefined)[]
  private newest: Slot | null = null

  /** `capacity`: number of intervals. */
  constructor(seconds: number, capacity: number) {
    this.seconds = seconds
    this.slots = new Array<Slot | undefined>(capacity)
  }

  /** Adds the counts of a second, by row. Those of a second that is too old have no place any more. */
  add(second: number, rows: ReadonlyMap<number, Figures>): void {
    const slot = this.slotFor(second - (second % this.seconds))
    if (slot === null) return
    if (slot.open === null) {
      slot.chunks.push(encodeTick(rows))
      return
    }
    for (const [id, figures] of rows) {
      const known = slot.open.get(id)
      if (known === undefined) slot.open.set(id, copyOf(figures))
      else known.add(figures)
    }
  }

  /** Adds the counts of the interval that begins at `start` to the figures of their rows; null = the row is left out. */
  addTo(start: number, figuresOf: (id: number) => Figures | null): void {
    const slot = this.slots[this.indexOf(start)]
    if (slot?.start !== start) return
    for (const chunk of slot.chunks) addTick(chunk, figuresOf)
    for (const [id, figures] of slot.open ?? []) figuresOf(id)?.add(figures)
  }

  /** First second of the oldest interval that has a place, if `second` is the newest one. */
  oldestAt(second: number): number {
    const start = second - (second % this.seconds)
    return start - (this.slots.length - 1) * this.seconds
  }

  /** Size of the encoded counts. */
  get bytes(): number {
    let sum = 0
    for (const slot of this.slots) for (const chunk of slot?.chunks ?? []) sum += chunk.byteLength
    return sum
  }

  private slotFor(start: number): Slot | null {
    const index = this.indexOf(start)
    const slot = this.slots[index]
    if (slot?.start === start) return slot
    if (slot !== undefined && slot.start > start) return null
    const isNewest = this.newest === null || start > this.newest.start
    const fresh: Slot = { start, chunks: [], open: isNewest ? new Map() : null }
    this.slots[index] = fresh
    if (isNewest) {
      this.close()
      this.newest = fresh
    }
    return fresh
  }

  private close(): void {
    const { newest } = this
    if (newest === null || newest.open === null) return
    if (newest.open.size > 0) newest.chunks.push(encodeTick(newest.open))
    newest.open = null
  }

  private indexOf(start: number): number {
    return (start / this.seconds) % this.slots.length
  }
}

function copyOf(figures: Figures): Figures {
  const copy = new Figures()
  copy.add(figures)
  return copy
}
