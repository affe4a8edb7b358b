const FIRST_DECADE = -1
const LAST_DECADE = 5
/** Number of buckets between 1, 2.5, 5 and 10: none is wider than 10 %. */
const STEPS: readonly (readonly [from: number, to: number, buckets: number])[] = [
  [1, 2.5, 10],
  [2.5, 5, 8],
  [5, 10, 8],
]

/** Upper bounds of the buckets of durations, 0.1 ms to 1,000 s; a last bucket without a bound has everything above. */
export const DURATION_BOUNDS_MS: Float64Array = Float64Array.from(bounds())
export const DURATION_BUCKETS = DURATION_BOUNDS_MS.length + 1

/** Index of the bucket of a duration in ms. */
export function bucketOf(ms: number): number {
  let low = 0
  let high = DURATION_BOUNDS_MS.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (ms > (DURATION_BOUNDS_MS[middle] as number)) low = middle + 1
    else high = middle
  }
  return low
}

/**
 * Returns the duration, ms, that the share `quantile` (0 to 1) of the counted ones does not exceed: the nearest rank,
 * interpolated within its bucket. null = nothing was counted.
 */
export function quantileOf(buckets: ArrayLike<number>, quantile: number): number | null {
  let total = 0
  for (let i = 0; i < buckets.length; i++) total += buckets[i] as number
  if (total === 0) return null
  const rank = Math.max(1, Math.ceil(quantile * total))
  let below = 0
  for (let i = 0; i < buckets.length; i++) {
    const count = buckets[i] as number
    if (below + count < rank) {
      below += count
      continue
    }
    const lower = i === 0 ? 0 : (DURATION_BOUNDS_MS[i - 1] as number)
    const upper = DURATION_BOUNDS_MS[i] ?? lower
    return lower + ((upper - lower) * (rank - below)) / count
  }
  return null
}

function bounds(): number[] {
  const all = [10 ** FIRST_DECADE]
  for (let decade = FIRST_DECADE; decade <= LAST_DECADE; decade++) {
    for (const [from, to, buckets] of STEPS) {
      for (let i = 1; i < buckets; i++) all.push(from * (to / from) ** (i / buckets) * 10 ** decade)
      // From text: a product would not be exact.
      all.push(Number(`${to}e${decade}`))
    }
  }
  return all
}
