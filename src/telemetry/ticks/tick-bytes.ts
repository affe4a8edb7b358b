import { FIGURE_COUNT, type Figures } from './figures.ts'

const CONTINUES = 0x80
const PAYLOAD = 0x7f
const BITS = 7
const MAX_VARINT_BYTES = 8

/** Buffer that is used again for each encoding. */
let scratch = new Uint8Array(64 * 1024)

/**
 * Encodes counts by number of their row, as variable-length integers: the row, its counts, the number of its buckets that
 * are not empty, and for each of them the distance to the previous one and the count.
 */
export function encodeTick(rows: Iterable<readonly [id: number, figures: Figures]>): Uint8Array {
  let at = 0
  const put = (value: number): void => {
    let rest = value
    while (rest > PAYLOAD) {
      // Not by bits: counts may have more than 32.
      scratch[at++] = (rest % CONTINUES) | CONTINUES
      rest = Math.floor(rest / CONTINUES)
    }
    scratch[at++] = rest
  }
  for (const [id, { counts, durations }] of rows) {
    let used = 0
    for (const count of durations) if (count > 0) used++
    const maxBytes = (2 + FIGURE_COUNT + 2 * used) * MAX_VARINT_BYTES
    if (at + maxBytes > scratch.length) scratch = grown(at + maxBytes)
    put(id)
    for (const count of counts) put(count)
    put(used)
    let last = 0
    durations.forEach((count, bucket) => {
      if (count === 0) return
      put(bucket - last)
      put(count)
      last = bucket
    })
  }
  return scratch.slice(0, at)
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

function grown(bytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(Math.max(bytes, 2 * scratch.length))
  larger.set(scratch)
  return larger
}
