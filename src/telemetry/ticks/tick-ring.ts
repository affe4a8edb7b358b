import { Figures } from './figures.ts'
import { addTick, encodeFigures } from './tick-bytes.ts'

interface Slot {
  /** Its first second. */
  readonly start: number
  /** Encoded counts. */
  chunks: Uint8Array[]
}

/** The counts of a number of past intervals of the same length; each new one takes the place of the oldest. */
export class TickRing {
  /** Length of an interval, s. */
  readonly seconds: number
  private readonly slots: (Slot | undefined)[]
  private newest: Slot | null = null
  private readonly onClosed: (start: number, bytes: Uint8Array) => void

  /** `capacity`: number of intervals. `onClosed`: called with all counts of the newest interval when a newer one begins. */
  constructor(seconds: number, capacity: number, onClosed: TickRing['onClosed'] = () => undefined) {
    this.seconds = seconds
    this.slots = new Array<Slot | undefined>(capacity)
    this.onClosed = onClosed
  }

  /** First second of the newest interval; -1 = there is none. */
  get newestStart(): number {
    return this.newest?.start ?? -1
  }

  /** Adds encoded counts of a second. Those of a second that is too old have no place any more. */
  add(second: number, bytes: Uint8Array): void {
    const start = second - (second % this.seconds)
    const index = this.indexOf(start)
    let slot = this.slots[index]
    if (slot !== undefined && slot.start > start) return
    if (slot?.start !== start) {
      slot = { start, chunks: [] }
      this.slots[index] = slot
      if (start > this.newestStart) {
        this.close()
        this.newest = slot
      }
    }
    if (bytes.length > 0) slot.chunks.push(bytes)
  }

  /** Adds the counts of the interval that begins at `start` to the figures of their rows; null = the row is left out. */
  addTo(start: number, figuresOf: (id: number) => Figures | null): void {
    const slot = this.slots[this.indexOf(start)]
    if (slot?.start === start) for (const chunk of slot.chunks) addTick(chunk, figuresOf)
  }

  /** First second of the oldest interval that has a place, if `second` is in the newest one. */
  oldestAt(second: number): number {
    return second - (second % this.seconds) - (this.slots.length - 1) * this.seconds
  }

  /** Size of the encoded counts. */
  get bytes(): number {
    let sum = 0
    for (const slot of this.slots) for (const chunk of slot?.chunks ?? []) sum += chunk.byteLength
    return sum
  }

  /** Sums up the chunks of the newest interval, which take more memory than their sum. */
  private close(): void {
    const { newest } = this
    if (newest === null) return
    if (newest.chunks.length > 1) newest.chunks = [summedUp(newest.chunks)]
    const [bytes] = newest.chunks
    if (bytes !== undefined) this.onClosed(newest.start, bytes)
  }

  private indexOf(start: number): number {
    return (start / this.seconds) % this.slots.length
  }
}

function summedUp(chunks: readonly Uint8Array[]): Uint8Array {
  const sums = new Map<number, Figures>()
  const figuresOf = (id: number): Figures => {
    let figures = sums.get(id)
    if (figures === undefined) {
      figures = new Figures()
      sums.set(id, figures)
    }
    return figures
  }
  for (const chunk of chunks) addTick(chunk, figuresOf)
  return encodeFigures(sums)
}
