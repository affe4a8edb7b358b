import type { TickRow } from '../../model/messages.ts'
import { FIGURE_COUNT, type Figures } from './figures.ts'
import { pairsOf } from './merge-rows.ts'

const CONTINUES = 0x80
const PAYLOAD = 0x7f
const BITS = 7
const MAX_VARINT_BYTES = 8

type Counts = Pick<TickRow, 'counts' | 'durations'>

/** Buffer that is used again for each encoding, and the position in it. */
let scratch = new Uint8Array(64 * 1024)
let end = 0

/**
 * Encodes counts by number of their row, as variable-length integers: the row, its counts, the number of its buckets that
 * are not empty, and for each of them the distance to the previous one and the count.
 */
export function encodeTick(rows: Iterable<readonly [id: number, row: Counts]>): Uint8Array {
  end = 0
  for (const [id, { counts, durations }] of rows) put(id, counts, durations)
  return scratch.slice(0, end)
}

/** Encodes sums in the same way. */
export function encodeFigures(rows: Iterable<readonly [id: number, figures: Figures]>): Uint8Array {
  end = 0
  for (const [id, { counts, durations }] of rows) put(id, counts, pairsOf(durations))
  return scratch.slice(0, end)
}

/** Adds encoded counts to the figures of their rows; null = the row is left out. */
export function addTick(bytes: Uint8Array, figuresOf: (id: number) => Figures | null): void {
  let at = 0
  const next = (): number => {
    let byte = bytes[at++] as number
    if (byte < CONTINUES) return byte
    let value = byte & PAYLOAD
    let factor = 1 << BITS
    do {
      byte = bytes[at++] as number
      value += (byte & PAYLOAD) * factor
      factor *= CONTINUES
    } while (byte >= CONTINUES)
    return value
  }
  while (at < bytes.length) {
    const figures = figuresOf(next())
    for (let i = 0; i < FIGURE_COUNT; i++) {
      const count = next()
      if (figures !== null) figures.counts[i] = (figures.counts[i] as number) + count
    }
    let bucket = 0
    for (let used = next(); used > 0; used--) {
      bucket += next()
      const count = next()
      if (figures !== null) figures.durations[bucket] = (figures.durations[bucket] as number) + count
    }
  }
}

/** `durations`: pairs of a bucket, in ascending order, and a count. */
function put(id: number, counts: ArrayLike<number>, durations: readonly number[]): void {
  const maxBytes = (2 + FIGURE_COUNT + durations.length) * MAX_VARINT_BYTES
  if (end + maxBytes > scratch.length) {
    const larger = new Uint8Array(Math.max(end + maxBytes, 2 * scratch.length))
    larger.set(scratch)
    scratch = larger
  }
  putNumber(id)
  for (let i = 0; i < FIGURE_COUNT; i++) putNumber(counts[i] ?? 0)
  putNumber(durations.length / 2)
  let last = 0
  for (let i = 0; i < durations.length; i += 2) {
    const bucket = durations[i] as number
    putNumber(bucket - last)
    putNumber(durations[i + 1] as number)
    last = bucket
  }
}

function putNumber(value: number): void {
  let rest = value
  while (rest > PAYLOAD) {
    // Not by bits: counts may have more than 32.
    scratch[end++] = (rest % CONTINUES) | CONTINUES
    rest = Math.floor(rest / CONTINUES)
  }
  scratch[end++] = rest
}
