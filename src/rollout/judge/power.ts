import { RATIOS } from './evidence.ts'
import { gainPerSecond, MAX_TICKS, simulatedCanary, type Traffic } from './simulated-canary.ts'

/** Ratios that are tried, as the smallest one that a step can find. */
const GRID: readonly number[] = [
  ...[1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2, 2.2, 2.4, 2.6, 2.8, 3, 3.3, 3.6, 4, 4.5, 5, 5.5, 6, 7, 8, 9, 10],
  ...[12, 14, 16, 18, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100, 125, 150, 175, 200, 250, 300, 400, 500, 700, 1_000],
]
/** Ticks that an alarm takes. */
const MIN_TICKS = 3
const MIN_RUNS = 20
const MAX_RUNS = 150
/** How many times the time in which the evidence would grow evenly enough requests are sought in: first, and then. */
const SOUGHT: readonly number[] = [3, 12, 48]

/** How a canary that is worse is found. */
export interface Detection {
  /** Share of the simulated canaries that were found in time. */
  readonly probability: number
  /** Time after which half of all canaries are found; null = not in time. */
  readonly medianSeconds: number | null
}

/**
 * The smallest ratio of bad requests (canary to stable) that a step of `durationSeconds` finds with `probability` (0 to 1);
 * null = it finds none. A simulation of a few thousand ticks, some 10 ms of CPU: the answer is to be kept. `random` with a
 * fixed seed gives the same answer everywhere.
 */
export function smallestFindableRatio(
  traffic: Traffic,
  durationSeconds: number,
  probability: number,
  random: () => number,
): number | null {
  let low = 0
  // A canary whose requests are all bad cannot be worse.
  let high = GRID.findIndex((ratio) => ratio * traffic.badRate >= 1) + 1 || GRID.length
  const past = high
  while (low < high) {
    const middle = (low + high) >>> 1
    const run = simulatedCanary(traffic, GRID[middle] as number, durationSeconds, random)
    if (finds(run, probability)) high = middle
    else low = middle + 1
  }
  return low === past ? null : (GRID[low] as number)
}

/** How soon, and how probably within `durationSeconds`, a canary that is worse by `ratio` is found. */
export function detectionOf(traffic: Traffic, ratio: number, durationSeconds: number, random: () => number): Detection {
  const times = detectionTimes(traffic, ratio, durationSeconds, random)
  const found = times.filter(Number.isFinite).length
  const median = times[Math.ceil(times.length / 2) - 1] as number
  // A median far within a duration that was computed in coarse ticks: once more over less of it, in finer ones.
  const shorter = durationSeconds / 8
  if (durationSeconds > MAX_TICKS * traffic.tickSeconds && median <= shorter / 2) {
    const { medianSeconds } = detectionOf(traffic, ratio, shorter, random)
    return { probability: found / times.length, medianSeconds }
  }
  return { probability: found / times.length, medianSeconds: Number.isFinite(median) ? median : null }
}

/**
 * How many requests of each side are enough, at this weight, to find a canary that is worse by `ratio` with `probability`
 * (`minRequests: auto`); null = no number is: the ratio is about what is allowed, or stable has no bad requests.
 */
export function requestsToFind(
  traffic: Traffic,
  ratio: number,
  probability: number,
  random: () => number,
): { readonly canary: number; readonly stable: number } | null {
  const gained = gainPerSecond(traffic, ratio)
  if (!(gained > 0)) return null
  // Evidence for one ratio alone counts as a part of the mean over all.
  const evenly = (traffic.threshold + Math.log(RATIOS.length)) / gained + MIN_TICKS * traffic.tickSeconds
  for (const times of SOUGHT) {
    const found = detectionTimes(traffic, ratio, evenly * times, random)
    const seconds = found[Math.ceil(probability * found.length) - 1] as number
    if (!Number.isFinite(seconds)) continue
    const requests = seconds * traffic.requestsPerSecond
    return { canary: Math.ceil(requests * traffic.weight), stable: Math.ceil(requests * (1 - traffic.weight)) }
  }
  return null
}

/** Times to detection of simulated canaries, in order. */
function detectionTimes(traffic: Traffic, ratio: number, durationSeconds: number, random: () => number): number[] {
  const run = simulatedCanary(traffic, ratio, durationSeconds, random)
  return Array.from({ length: MAX_RUNS }, run).sort((a, b) => a - b)
}

/** Whether `run` finds its canary with `probability`: after as many runs as it takes to be sure (three sigma), or the max. */
function finds(run: () => number, probability: number): boolean {
  let found = 0
  for (let runs = 1; runs <= MAX_RUNS; runs++) {
    if (Number.isFinite(run())) found++
    const beyond = found - probability * runs
    const sigma = Math.sqrt(probability * (1 - probability) * runs)
    if (runs >= MIN_RUNS && Math.abs(beyond) > 3 * sigma) return beyond > 0
  }
  return found >= probability * MAX_RUNS
}
