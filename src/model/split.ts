import { listed, own } from './names.ts'
import type { Problem } from './refusal.ts'
import type { Split } from './spec.ts'

/** Shares are computed in hundredths of a percent, so that two decimals add up exactly. */
export const WHOLE = 10_000

/** A pool's share in hundredths of a percent, 0 to 10,000. */
export function shareOf(split: Split, pool: string): number {
  return Math.round((own(split, pool) ?? 0) * 100)
}

/** Everything that keeps `split` from being a split over `pools`; empty when it is one. */
export function splitProblems(split: Readonly<Record<string, unknown>>, pools: readonly string[]): Problem[] {
  const problems: Problem[] = []
  const known = new Set(pools)
  const message = `no such pool; there are ${listed(pools)}`
  let sum = 0
  for (const [pool, percent] of Object.entries(split)) {
    const path = `split.${pool}`
    if (!known.has(pool)) problems.push({ path, message })
    const problem = percentProblem(percent)
    if (problem !== null) problems.push({ path, message: problem })
    else sum += Math.round(Number(percent) * 100)
  }
  if (problems.length === 0 && sum !== WHOLE) {
    problems.push({ path: 'split', message: `the shares add up to ${sum / 100}, not to 100` })
  }
  return problems
}

/** What is wrong with a percentage; null when nothing is. */
export function percentProblem(percent: unknown): string | null {
  if (typeof percent !== 'number' || !Number.isFinite(percent) || percent < 0 || percent > 100) {
    return `must be a number from 0 to 100, not ${JSON.stringify(percent)}`
  }
  const hundredths = percent * 100
  if (Math.abs(hundredths - Math.round(hundredths)) > 1e-6) return `at most two decimals, not ${percent}`
  return null
}

/** A split with the given share at one pool only. */
export function allTo(pool: string): Split {
  return { [pool]: 100 }
}

/** Whether two splits route alike. */
export function sameSplit(a: Split, b: Split): boolean {
  const pools = new Set([...Object.keys(a), ...Object.keys(b)])
  for (const pool of pools) if (shareOf(a, pool) !== shareOf(b, pool)) return false
  return true
}

/**
 * `percent` to the pool `to`, the rest to the other pools in the proportions they have now. Where they have none and
 * there is only one other pool, it gets the rest; null when it cannot be known who does.
 */
export function shiftTo(split: Split, pools: readonly string[], to: string, percent: number): Split | null {
  const rest = WHOLE - Math.round(percent * 100)
  const others = pools.filter((pool) => pool !== to)
  const before = others.map((pool) => shareOf(split, pool))
  const sum = before.reduce((a, b) => a + b, 0)
  if (rest > 0 && sum === 0 && others.length !== 1) return null
  const weights = sum === 0 ? [1] : before
  const shares = apportion(rest, weights)
  const all = pools.map((pool) => [pool, pool === to ? WHOLE - rest : (shares[others.indexOf(pool)] ?? 0)] as const)
  return Object.fromEntries(all.filter(([, share]) => share > 0).map(([pool, share]) => [pool, share / 100]))
}

/** The split without pools that no longer exist, scaled back to 100; `fallback` when nothing is left of it. */
export function adaptSplit(split: Split, pools: readonly string[], fallback: Split): Split {
  const kept = pools.filter((pool) => shareOf(split, pool) > 0)
  if (kept.length === 0) return fallback
  const shares = apportion(
    WHOLE,
    kept.map((pool) => shareOf(split, pool)),
  )
  return Object.fromEntries(kept.map((pool, i) => [pool, (shares[i] ?? 0) / 100]))
}

/** Whole parts of `total` in proportion to `weights`, largest remainders first, adding up exactly (Hamilton's method). */
function apportion(total: number, weights: readonly number[]): number[] {
  const sum = weights.reduce((a, b) => a + b, 0)
  if (sum === 0) return weights.map(() => 0)
  const exact = weights.map((weight) => (total * weight) / sum)
  const parts = exact.map(Math.floor)
  const byRemainder = exact.map((value, i) => ({ i, remainder: value - Math.floor(value) }))
  byRemainder.sort((a, b) => b.remainder - a.remainder || a.i - b.i)
  let missing = total - parts.reduce((a, b) => a + b, 0)
  for (const { i } of byRemainder) {
    if (missing-- <= 0) break
    parts[i] = (parts[i] ?? 0) + 1
  }
  return parts
}
