/** Draws numbers of events. */
export interface PoissonDraws {
  /** Probability of no event. */
  readonly none: number
  next(): number
  /** A number of events of which it is known that it is not 0. */
  nextPositive(): number
}

/** Probability, relative to that of the likeliest number, below which numbers of events are left out. */
const NEGLIGIBLE = 1e-13
/** Mean above which the normal distribution differs too little to matter, and a table would be long. */
const LARGE = 10_000

/** Draws from a Poisson distribution: lookups in a table of the cumulative probabilities. */
export function poisson(mean: number, random: () => number): PoissonDraws {
  if (!(mean > 0)) return { none: 1, next: () => 0, nextPositive: () => 1 }
  if (mean > LARGE) {
    const next = (): number => Math.max(1, Math.round(mean + Math.sqrt(mean) * normal(random)))
    return { none: 0, next, nextPositive: next }
  }
  const { first, cumulative } = tableOf(mean)
  const draw = (at: number): number => first + indexOf(cumulative, at)
  const none = Math.exp(-mean)
  return {
    none,
    next: () => draw(random()),
    nextPositive: () => Math.max(1, draw(none + random() * (1 - none))),
  }
}

/** A draw from the standard normal distribution (Box, Muller 1958). */
function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/** Cumulative probabilities of `first` and the numbers after it. */
function tableOf(mean: number): { first: number; cumulative: Float64Array } {
  // Probabilities relative to the mode follow from their neighbours', so that no factorial is needed.
  const mode = Math.floor(mean)
  const below: number[] = []
  for (let k = mode, part = 1; k > 0; k--) {
    part *= k / mean
    if (part < NEGLIGIBLE) break
    below.push(part)
  }
  const parts = [...below.reverse(), 1]
  for (let k = mode + 1, part = 1; ; k++) {
    part *= mean / k
    if (part < NEGLIGIBLE) break
    parts.push(part)
  }
  const cumulative = Float64Array.from(parts)
  for (let i = 1; i < cumulative.length; i++) cumulative[i] = (cumulative[i - 1] as number) + (cumulative[i] as number)
  const total = cumulative[cumulative.length - 1] as number
  return { first: mode - below.length, cumulative: cumulative.map((part) => part / total) }
}

/** Index of the first value above `at`; the last one at most. */
function indexOf(values: Float64Array, at: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((values[middle] as number) > at) high = middle
    else low = middle + 1
  }
  return low
}
